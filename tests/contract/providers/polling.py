"""Waiting for what another task does."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Raises TimeoutError where it does not become true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  what it looks at has no event
            await asyncio.sleep(0.01)
