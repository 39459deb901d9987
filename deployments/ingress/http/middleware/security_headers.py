"""Adds the headers that tell a browser to trust as little as possible."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = b"content-security-policy"
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"))
_API_POLICY = (_POLICY, b"default-src 'none'; frame-ancestors 'none'")
API_HEADERS = (*_ALWAYS, _API_POLICY)
# Of pages, which bring a content policy of their own.
_PAGE_HEADERS = (
    *_ALWAYS,
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class SecurityHeaders:
    """An answer that brings a content policy keeps it; all others get one that allows nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                is_page = any(name == _POLICY for name, _ in message["headers"])
                added = _PAGE_HEADERS if is_page else API_HEADERS
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
