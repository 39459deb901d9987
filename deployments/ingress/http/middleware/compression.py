"""Compresses answers for clients that want that; never streams of events.

An answer to a POST is nobody else's, so where its client takes no gzip it passes untouched; other
answers say in `Vary` that they differ by what the client takes.
"""

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

STREAM_TYPES = ("application/x-ndjson",)  # beside text/event-stream, which is left by default
FILES = "/files/"  # sent as they are: a part of a file is a part of these very bytes


class Compression:
    """gzip at level 5."""

    def __init__(self, app: ASGIApp) -> None:
        left = DEFAULT_EXCLUDED_CONTENT_TYPES + STREAM_TYPES
        self._app = app
        self._gzip = GZipMiddleware(app, compresslevel=5, exclude_content_types=left)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (
            scope["path"].startswith(FILES)
            or (scope["method"] == "POST" and not _takes_gzip(scope))
        ):
            await self._app(scope, receive, send)
        else:
            await self._gzip(scope, receive, send)


def _takes_gzip(scope: Scope) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
