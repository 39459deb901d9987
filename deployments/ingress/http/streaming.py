"""Streams as wire formats: server-sent events and NDJSON.

Flows in: an async generator of (event name, JSON value). Flows out: an ASGI answer that waits for
the first item before it sends a status, so that an early failure is a real HTTP error, and carries
a late one in-band. A client that leaves closes the generator, and with it the work behind it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.types import Message, Receive, Scope, Send

from cluster.runtime.clock import Deadline
from cluster.runtime.problems import DeadlineExceeded, Problem, to_problem

logger = logging.getLogger("mobula.ingress")

Event = tuple[str | None, Any]
Events = AsyncGenerator[Event, None]
Frame = Callable[[Event], bytes]

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
SSE_DONE = b"data: [DONE]\n\n"


def sse_frame(event: Event) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2); JSON holds no raw line break."""
    name, data = event
    if name is None:
        return b"data: " + orjson.dumps(data) + b"\n\n"
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def ndjson_frame(event: Event) -> bytes:
    """One line; a named event carries its name as member `event`."""
    name, data = event
    return orjson.dumps(data if name is None else {"event": name, **data}) + b"\n"


class EventStream:
    """An ASGI application that answers with `events`.

    `end` follows the last event of a stream that went well. `error_body` renders a late problem
    as the JSON of an event named "error" (unnamed where `named_errors` is False).
    """

    def __init__(
        self,
        events: Events,
        *,
        deadline: Deadline,
        error_body: Callable[[Problem], Mapping[str, Any]],
        media_type: str = SSE,
        end: bytes = b"",
        named_errors: bool = True,
    ) -> None:
        self._events = events
        self._deadline = deadline
        self._error_body = error_body
        self._media_type = media_type
        self._frame: Frame = sse_frame if media_type == SSE else ndjson_frame
        self._end = end
        self._named_errors = named_errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._in_time():
                first = await anext(self._events, None)  # raises before any header is sent
            await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
            pump = asyncio.ensure_future(self._pump(first, scope, send))
            watcher = asyncio.ensure_future(_disconnected(receive))
            try:
                await asyncio.wait((pump, watcher), return_when=asyncio.FIRST_COMPLETED)
            finally:
                watcher.cancel()
                pump.cancel()
                await asyncio.wait((pump, watcher))
            if not pump.cancelled():
                pump.result()
        finally:
            await self._events.aclose()

    async def _pump(self, first: Event | None, scope: Scope, send: Send) -> None:
        try:
            async with self._in_time():
                event = first
                while event is not None:
                    await _send_body(send, self._frame(event), more=True)
                    event = await anext(self._events, None)
            await _send_body(send, self._end, more=False)
        except Exception as error:
            problem = to_problem(error)
            if problem is not error:
                logger.exception("stream %s failed", scope["state"].get("request_id"))
            scope["state"]["problem"] = problem.slug
            name = "error" if self._named_errors else None
            frame = self._frame((name, self._error_body(problem)))
            await _send_body(send, frame, more=False)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Raises DeadlineExceeded in the body's place once time is up."""
        try:
            async with asyncio.timeout(max(0.0, self._deadline.remaining())):
                yield
        except TimeoutError:
            raise DeadlineExceeded("stream") from None

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", f"{self._media_type}; charset=utf-8".encode()),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
        ]


async def _send_body(send: Send, body: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(receive: Receive) -> None:
    message: Message = await receive()
    while message["type"] != "http.disconnect":
        message = await receive()
