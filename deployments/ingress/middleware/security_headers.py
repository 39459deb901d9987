"""Adds the headers that tell a browser to trust as little as possible."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"))
_API_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
API_HEADERS = (*_ALWAYS, _API_POLICY)
_PAGE_HEADERS = (
    *_ALWAYS,
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_PAGES = ("/docs", "/redoc")


class SecurityHeaders:
    """Pages that draw themselves with scripts keep their own content policy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = _PAGE_HEADERS if scope["path"].startswith(_PAGES) else API_HEADERS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
