"""Streamed responses: server-sent events and NDJSON.

In: an async generator of events. Out: an ASGI response that waits for the first event before it
sends a status, so an early failure is a real HTTP error; a late failure is the last event of the
stream. The generator is closed when the request is cancelled, as it is when its client disconnects
(disconnects.py), and with it the work behind it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cluster.runtime.clock import Deadline
from cluster.runtime.problems import DeadlineExceeded, Problem, to_problem
from deployments.ingress.context import request_state
from deployments.ingress.http.problems import native_body
from deployments.ingress.http.response_writer import response_writer
from deployments.ingress.pipeline.response_relay import ResponseRelay

logger = logging.getLogger("mobula.ingress")

Event = tuple[str | None, Any]
Events = AsyncGenerator[Event, None]

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
SSE_DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
RETRY_MS = 2_000


def sse_frame(event: Event) -> bytes:
    """One server-sent event (WHATWG HTML, section 9.2); JSON holds no raw line break."""
    name, data = event
    if name is None:
        return b"data: " + orjson.dumps(data) + b"\n\n"
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def feed_frame(name: str, data: object, id: int | None = None) -> bytes:
    """One server-sent event with an id, which a client sends again when it reconnects."""
    frame = sse_frame((name, data))
    return frame if id is None else b"id: %d\n" % id + frame


def ndjson_frame(event: Event) -> bytes:
    """One line; a named event carries its name as member `event`."""
    name, data = event
    return orjson.dumps(data if name is None else {"event": name, **data}) + b"\n"


class FrameStream(Response):
    """A response of frames, each the encoding of one item of `items`.

    The base of EventStream and EventFeedResponse. `error_frame` encodes a failure after the first
    item, of which it gets the first and the last one; `end` follows the last frame of a stream
    without failure. `deadline` None: no deadline.
    """

    cache_control = b"no-cache"
    kind = "stream"  # as the metrics of requests name it

    def __init__(
        self,
        items: AsyncGenerator[Any, None],
        encode: Callable[[Any], bytes],
        *,
        deadline: Deadline | None,
        error_frame: Callable[[Problem, Any, Any], bytes],
        media_type: str = SSE,
        end: bytes = b"",
        relay: ResponseRelay | None = None,
    ) -> None:
        self._items = items
        self._encode = encode
        self._deadline = deadline
        self._error_frame = error_frame
        self._end = end
        self._relay = relay
        self.status_code, self.media_type, self.background = 200, media_type, None
        self.raw_headers = [
            (b"content-type", f"{media_type}; charset=utf-8".encode()),
            (b"cache-control", self.cache_control),
            (b"x-accel-buffering", b"no"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._items):
            async with self._timeout():
                first = await anext(self._items, None)  # raises before any header is sent
            state = request_state(scope)
            state.response.kind = self.kind
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            if state.is_head:
                await send({"type": "http.response.body", "body": b""})
            else:
                await self._write(first, scope, send)

    async def _write(self, first: Any, scope: Scope, send: Send) -> None:
        item, relay, ending = first, self._relay, b""
        try:
            async with self._timeout():
                while item is not None:
                    frame = self._encode(item)
                    if relay is not None and relay.is_ending:
                        ending += frame  # the end follows at once, in the same write
                    else:
                        await send({"type": "http.response.body", "body": frame, "more_body": True})
                    if item is first and relay is not None:
                        relay.writer = response_writer(scope)
                    item = await anext(self._items, None)
            last = self._end
        except Exception as error:
            problem = to_problem(error)
            if problem is not error:
                logger.exception("stream %s failed", request_state(scope).request_id)
            request_state(scope).problem = problem.slug
            last = self._error_frame(problem, first, item)
        finally:
            if relay is not None:
                relay.writer = None  # it refers to the request, and the request to the relay
        await send({"type": "http.response.body", "body": ending + last, "more_body": False})

    @asynccontextmanager
    async def _timeout(self) -> AsyncIterator[None]:
        """Raises DeadlineExceeded in the body of the `async with` at the deadline."""
        limit_s = None if self._deadline is None else max(0.0, self._deadline.remaining())
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            if limit_s is None:
                raise
            raise DeadlineExceeded("stream") from None


class EventStream(FrameStream):
    """Answers with `events` until the deadline.

    `error_body` is the JSON of the event that reports a late failure. The event is named "error",
    unless `named_errors` is False. `error_event` makes another one, of the problem and the first
    and the last event. `relay` takes pieces of text past the events.
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
        error_event: Callable[[Problem, Event, Event], Event] | None = None,
        relay: ResponseRelay | None = None,
    ) -> None:
        encode = sse_frame if media_type == SSE else ndjson_frame
        error_name = "error" if named_errors else None

        def error_frame(problem: Problem, first: Event, last: Event) -> bytes:
            if error_event is not None:
                return encode(error_event(problem, first, last))
            return encode((error_name, error_body(problem)))

        super().__init__(
            events,
            encode,
            deadline=deadline,
            error_frame=error_frame,
            media_type=media_type,
            end=end,
            relay=relay,
        )


class EventFeedResponse(FrameStream):
    """Server-sent events for hours, beyond the request's deadline. Begins at once.

    `frames` are encoded; KEEP_ALIVE is one of them, sent from time to time. `still_allowed` is
    called at each, and raises a Problem once the client may receive no more.
    """

    cache_control = b"no-store"
    kind = "feed"

    def __init__(
        self, frames: AsyncGenerator[bytes, None], still_allowed: Callable[[], object]
    ) -> None:
        super().__init__(
            self._checked(frames, still_allowed),
            bytes,
            deadline=None,
            error_frame=lambda problem, _, __: sse_frame(("error", native_body(problem))),
        )
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lift_deadline = request_state(scope).lift_deadline
        if lift_deadline is not None:
            lift_deadline()
        async with aclosing(self._frames):
            await super().__call__(scope, receive, send)

    async def _checked(
        self, frames: AsyncGenerator[bytes, None], still_allowed: Callable[[], object]
    ) -> AsyncGenerator[bytes, None]:
        yield b"retry: %d\n\n" % RETRY_MS
        async for frame in frames:
            if frame == KEEP_ALIVE:
                still_allowed()
            yield frame
