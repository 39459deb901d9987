"""Neutralises the client headers that Ray Serve honours.

Serve lets a client switch off its time limit (`x-request-timeout-seconds`), switch off
cancellation on disconnect (`x-request-disconnect-disabled`), and choose a replica or a loaded
model (`x-session-id`, `serve_multiplexed_model_id`). It parses them before any of our code runs,
so they are removed here and what they switch off is enforced again: the deadline by Deadlines,
the disconnect by watching for it.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STEERING = frozenset(
    {
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"x-session-id",
        b"serve_multiplexed_model_id",
        b"serve-multiplexed-model-id",
    }
)


class ServeHeaders:
    """Drops the steering headers; cancels the request itself where Serve was told not to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        kept = [header for header in scope["headers"] if header[0] not in _STEERING]
        if len(kept) == len(scope["headers"]):
            await self._app(scope, receive, send)
            return
        unwatched = any(name == b"x-request-disconnect-disabled" for name, _ in scope["headers"])
        scope["headers"] = kept
        if unwatched and scope["type"] == "http":
            await _watched(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _watched(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app` until it ends or the client leaves, whichever is first."""
    inbox: asyncio.Queue[Message] = asyncio.Queue(maxsize=8)

    async def watch() -> None:
        while True:
            message = await receive()
            await inbox.put(message)
            if message["type"] == "http.disconnect":
                return

    work = asyncio.ensure_future(app(scope, inbox.get, send))
    watcher = asyncio.ensure_future(watch())
    try:
        await asyncio.wait((work, watcher), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watcher.cancel()
        work.cancel()  # does nothing to work that has ended
        await asyncio.wait((work, watcher))
    if not work.cancelled():
        work.result()
