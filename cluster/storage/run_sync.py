"""Runs coroutines for synchronous callers: start-up and the command line."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, run on a new event loop in a thread, inside or outside of a loop."""
    with ThreadPoolExecutor(1, "blocking") as executor:
        return executor.submit(asyncio.run, work).result()
