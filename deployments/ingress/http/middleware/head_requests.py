"""Answers HEAD as GET, without the body (RFC 9110 section 9.3.2), wherever there is a GET."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OWN = ("/files/", "/api/v1/uploads/")  # paths whose routes answer HEAD themselves


class HeadRequests:
    """The application computes the answer to a GET; its head goes on as it is.

    An answer in pieces is told at its first one that the client has left: a stream ends there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].startswith(OWN):
            await self._app(scope, receive, send)
            return
        ended = False

        async def receive_until_ended() -> Message:
            return {"type": "http.disconnect"} if ended else await receive()

        async def send_without_body(message: Message) -> None:
            nonlocal ended
            if message["type"] != "http.response.body":
                await send(message)
            elif not ended:
                ended = True
                await send({"type": "http.response.body", "body": b""})

        await self._app({**scope, "method": "GET"}, receive_until_ended, send_without_body)
