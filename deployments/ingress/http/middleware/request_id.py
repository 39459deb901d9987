"""Gives every request an id: the client's own if it is sane, a new one otherwise."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.ops.serve_headers import REQUEST_ID
from cluster.runtime.logging import log_request

_SANE = re.compile(REQUEST_ID.encode())


class RequestId:
    """Sets `scope["state"]["request_id"]` and answers with `X-Request-ID`.

    Ray Serve's own outer layer answers with the id that the request came with; `outer_echoes`
    says that it is there, so that the header is not sent twice.
    """

    def __init__(self, app: ASGIApp, *, outer_echoes: bool = False) -> None:
        self._app = app
        self._outer_echoes = outer_echoes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = client_request_id(scope)
        request_id = given or new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        log_request(request_id)
        if given is not None and self._outer_echoes:
            await self._app(scope, receive, send)
            return
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, send_with_id)


def new_id() -> str:
    return f"req_{secrets.token_hex(16)}"


def client_request_id(scope: Scope) -> str | None:
    """The client's own id if it is sane."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _SANE.fullmatch(value) else None
    return None
