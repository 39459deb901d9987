"""Streams that are given up at random moments, and how many slots can be held afterwards.

Flows in: where the cluster is, and a key whose plan bounds the requests open at once. Flows out:
counts. A stream is given up by dropping its connection, each a TCP connection of its own: before
its answer began, between two tokens, or after the last one.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

PATH = "/v1/chat/completions"
LONGEST_S = 0.5  # a stream is given up after 0 to this many seconds
REFUSED_S = 0.02  # pause after a refusal
OK, TOO_MANY = b"200", b"429"
HEAD = "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n" + (
    "Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
)


@dataclass
class AbortCounts:
    """What became of the streams."""

    unanswered: int = 0  # given up before the answer began
    midway: int = 0
    complete: int = 0  # the last token came first
    broken: int = 0  # the replica that served it died, or could not be reached
    refused: int = 0  # not counted as streams

    @property
    def streams(self) -> int:
        return self.unanswered + self.midway + self.complete + self.broken


class AbortingClient:
    """Opens streams with one body and leaves them."""

    def __init__(self, url: str, key: str, body: dict[str, Any]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        payload = json.dumps({**body, "stream": True}).encode()
        head = HEAD.format(path=PATH, host=self._host, key=key, length=len(payload))
        self._request = head.encode() + payload
        self.aborts = AbortCounts()

    async def abort_many(
        self, streams: int, clients: int, halfway: Callable[[], Awaitable[None]], seed: int = 0
    ) -> AbortCounts:
        """Give up `streams` of them from `clients` at once; `halfway` runs in the middle."""
        numbers = iter(range(streams))
        middle = asyncio.Event()

        async def leave(rng: random.Random) -> None:
            for number in numbers:
                if number == streams // 2:
                    middle.set()
                while not await self._leave(rng.uniform(0, LONGEST_S)):
                    pass

        async def in_the_middle() -> None:
            await middle.wait()
            await halfway()

        leaving = (leave(random.Random(f"{seed} {number}")) for number in range(clients))
        await asyncio.gather(in_the_middle(), *leaving)
        return self.aborts

    async def _leave(self, after_s: float) -> bool:
        """False when it was refused for want of a slot, so that there was nothing to give up."""
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            self.aborts.broken += 1
            return True
        status = b""
        try:
            async with asyncio.timeout(after_s):
                writer.write(self._request)
                status = (await reader.readline())[9:12]
                complete = (await reader.read()).endswith(b"[DONE]\n\n\r\n0\r\n\r\n")
        except TimeoutError:
            self._count(status, complete=False)
        except OSError:
            self.aborts.broken += 1
        else:
            self._count(status if complete or status == TOO_MANY else b"cut", complete=complete)
        finally:
            writer.transport.abort()
        if status == TOO_MANY:
            await asyncio.sleep(REFUSED_S)
        return status != TOO_MANY

    def _count(self, status: bytes, *, complete: bool) -> None:
        aborts = self.aborts
        aborts.refused += status == TOO_MANY
        aborts.unanswered += status == b""
        aborts.midway += status == OK and not complete
        aborts.complete += status == OK and complete
        aborts.broken += status not in (TOO_MANY, OK, b"")


async def count_held_slots(
    client: httpx.AsyncClient, body: dict[str, Any], patience_s: float
) -> tuple[int, float]:
    """Open streams and keep them until `patience_s` passes with nothing but refusals.

    Returns how many could be held at once, and the seconds until the last of them was open.
    """
    held, last = 0, 0.0
    start = time.monotonic()
    async with AsyncExitStack() as open_streams:
        while time.monotonic() - start - last < patience_s:
            stream = client.stream("POST", PATH, json={**body, "stream": True})
            answer = await open_streams.enter_async_context(stream)
            if answer.status_code == httpx.codes.OK:
                held, last = held + 1, time.monotonic() - start
            else:
                await answer.aread()
                await asyncio.sleep(REFUSED_S)
    return held, last
