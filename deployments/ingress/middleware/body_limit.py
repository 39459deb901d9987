"""Refuses a body over the limit: by its declared length at once, else while it streams in."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.problems import InvalidRequest, PayloadTooLarge


class BodyLimit:
    """Raises PayloadTooLarge as soon as more than `limit` bytes are declared or received."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if _declared(scope) > self._limit:
            raise PayloadTooLarge(self._limit)
        received = 0

        async def receive_counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise PayloadTooLarge(self._limit)
            return message

        await self._app(scope, receive_counting, send)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise InvalidRequest("Header Content-Length must be a whole number.")
            return int(value)
    return 0
