"""Waiting for a condition instead of sleeping for a guess."""

import asyncio
import time
from collections.abc import Callable


async def eventually(
    holds: Callable[[], object], timeout_s: float = 30.0, every_s: float = 0.05
) -> None:
    """Poll `holds` (awaitable or not) until it is true; fail when the time is up."""
    until = time.monotonic() + timeout_s
    while True:
        result = holds()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        assert time.monotonic() < until, "the condition never held"
        await asyncio.sleep(every_s)
