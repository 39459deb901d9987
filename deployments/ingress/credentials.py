"""Credentials to callers: the one place where a request becomes somebody's."""

from starlette.requests import Request

from cluster.clock import Deadline
from cluster.problems import Unauthenticated
from cluster.tenants.caller import Caller
from deployments.ingress.call import Call
from deployments.ingress.services import Services


def open_call(services: Services, request: Request) -> Call:
    """Authenticate and start a call; raises Unauthenticated."""
    state = request.scope["state"]
    caller = services.authenticator.verify(bearer(request))
    state["tenant"], state["key_id"] = caller.tenant, caller.key_id
    deadline: Deadline = state["deadline"]
    return _call(services, state["request_id"], caller, deadline)


def call_by_handle(services: Services, api_key: str, request_id: str, timeout_s: float) -> Call:
    """The same for a call that came through a Python handle; raises Unauthenticated."""
    caller = services.authenticator.verify(api_key)
    limit = min(timeout_s, services.settings.max_timeout_s)
    return _call(services, request_id, caller, Deadline.after(limit, services.clock))


def bearer(request: Request) -> str:
    """The key in `Authorization: Bearer ...`; raises Unauthenticated when there is none."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated("Send your API key as 'Authorization: Bearer mob_...'.")
    return credential.strip()


def _call(services: Services, request_id: str, caller: Caller, deadline: Deadline) -> Call:
    return Call(request_id, caller, deadline, int(services.clock.wall()))
