"""Streams read by as many clients as there are connections, one after the other on each.

In: a target. Out: streams and chunks a second, the time to the first chunk, errors. A chunk is one
server-sent event with data, whatever it says; a stream that does not come to its end is an error.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

from load_tests.benchmarks.common.http_client import (
    ConnectionRefused,
    NoResponse,
    NoRetryClient,
    StreamedResponse,
    TruncatedResponse,
)
from load_tests.benchmarks.speed.compare.targets import Target

_PATIENCE_S = 30.0


@dataclass(frozen=True)
class StreamResult:
    """Times in milliseconds."""

    streams_s: float
    chunks_s: float
    first_p50_ms: float
    first_p99_ms: float
    errors: int


@dataclass
class _Tally:
    firsts: list[float] = field(default_factory=list)
    streams: int = 0
    chunks: int = 0
    errors: int = 0


def run_streams(target: Target, *, connections: int, seconds: float) -> StreamResult:
    """One measurement; streams that were open at its end are not counted."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(target, connections, seconds))


async def _measure(target: Target, connections: int, seconds: float) -> StreamResult:
    parts = urlsplit(target.url)
    wire = NoRetryClient(f"{parts.scheme}://{parts.netloc}")
    tally, until = _Tally(), time.monotonic() + seconds

    async def client() -> None:
        while time.monotonic() < until:
            await _one(wire, parts.path, target, tally, until)

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(connections)))
    wire.close()
    took = min(seconds, time.monotonic() - began)
    firsts = sorted(tally.firsts) or [float("nan")]
    return StreamResult(
        tally.streams / took,
        tally.chunks / took,
        1e3 * statistics.median(firsts),
        1e3 * firsts[min(len(firsts) - 1, int(0.99 * len(firsts)))],
        tally.errors,
    )


async def _one(wire: NoRetryClient, path: str, target: Target, tally: _Tally, until: float) -> None:
    began, chunks = time.monotonic(), 0
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reply = await wire.post(path, target.key, target.body, target.headers)
            try:
                async for at in _events(reply):
                    chunks += 1
                    if chunks == 1:
                        tally.firsts.append(at - began)
                    tally.chunks += at < until
            finally:
                reply.close()
    except (ConnectionRefused, NoResponse, TruncatedResponse, TimeoutError):
        tally.errors += 1
        return
    tally.errors += reply.status != 200 or chunks == 0
    tally.streams += time.monotonic() < until


async def _events(reply: StreamedResponse) -> AsyncIterator[float]:
    """When each event with data came."""
    rest = b""
    async for chunk in reply.chunks():
        *events, rest = (rest + chunk).split(b"\n\n")
        now = time.monotonic()
        for event in events:
            if event.startswith(b"data: ") and event != b"data: [DONE]":
                yield now
