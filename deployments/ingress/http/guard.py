"""A layer around Serve's own handler, in ingress replicas and in its proxies (listener.py).

What is refused here costs Serve nothing and leaves no trace in its metrics, whose
series are labelled by the method and never dropped. Serve also reads bodies ahead of the
application without a bound, so that one which no route reads has its bound here.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.problems import MethodNotImplemented
from deployments.ingress.http.problems import send_problem

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
MAX_UNREAD = 64 << 10  # bytes of a body that no route reads


class RequestGuard:
    """Answers 501 to methods that no route has; ends requests whose unread body goes on and on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in METHODS:
            await send_problem(_refusal(scope["method"]), scope, send)
        elif scope["method"] in WITHOUT_BODY:
            await self._app(scope, _bounded(receive), send)
        else:
            await self._app(scope, receive, send)


def _refusal(method: str) -> MethodNotImplemented:
    known = ", ".join(sorted(METHODS))
    return MethodNotImplemented(f"Method '{method[:20]}' is none of {known}.")


def _bounded(receive: Receive) -> Receive:
    """A `receive` that says that the client has left once it has sent MAX_UNREAD bytes."""
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        if received > MAX_UNREAD:
            return {"type": "http.disconnect"}
        message = await receive()
        received += len(message.get("body", b""))
        return message

    return receive_bounded
