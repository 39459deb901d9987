"""Refuses a body over the limit: by its declared length at once, else while it streams in."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.problems import InvalidRequest, PayloadTooLarge
from deployments.ingress.http.middleware.route_limits import RouteLimit, route_limit

MAX_DIGITS = 20  # of Content-Length; int() itself refuses 4,301 of them with an error of its own


class BodyLimit:
    """Raises PayloadTooLarge as soon as more than `limit` bytes are declared or received; those in
    `allowances` have limits of their own.
    """

    def __init__(self, app: ASGIApp, limit: int, allowances: Sequence[RouteLimit] = ()) -> None:
        self._app = app
        self._limit = limit
        self._allowances = allowances

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        allowed = route_limit(self._allowances, scope)
        limit = allowed.max_bytes if allowed else self._limit
        too_large = allowed.too_large if allowed else PayloadTooLarge
        if _declared(scope) > limit:
            raise too_large(limit)
        received = 0

        async def receive_counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise too_large(limit)
            return message

        await self._app(scope, receive_counting, send)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > MAX_DIGITS:
                raise InvalidRequest("Header Content-Length must be a whole number.")
            return int(value)
    return 0
