"""How Serve gets the application: what of Serve's wrapper an ingress replica does for itself.

In: the services. Out: the application, and the one that Serve calls, while the other goes around
Serve's wrapper (http/serve_bypass.py).
"""

from ray.serve._private.tracing_utils import is_tracing_enabled
from ray.serve.context import _set_request_context
from starlette.types import ASGIApp

from cluster.ops.haproxy_token import own_proxy_token
from deployments.ingress.http.app import create_app
from deployments.ingress.http.serve_bypass import LOCAL, ServedApplication
from deployments.ingress.services import AppServices


def create_application(services: AppServices) -> ASGIApp:
    token = own_proxy_token()
    return create_app(services, proxy_token=token, on_request=set_request_id_of_calls)


def serve_application(application: ASGIApp) -> ASGIApp:
    """Makes it the application of this process, and returns the one for Serve.

    With a tracing exporter every request passes Serve's wrapper, which makes the spans.
    """
    if not is_tracing_enabled():
        LOCAL.install(application)
    return ServedApplication(application, LOCAL.open_requests)


def set_request_id_of_calls(request_id: str) -> None:
    """Calls of handles by this task carry the id, which replicas log."""
    _set_request_context(request_id=request_id)
