"""Coroutines for callers that have no loop: start-up and the command line."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, run on a loop of its own, also where a loop is running already."""
    with ThreadPoolExecutor(1, "blocking") as executor:
        return executor.submit(asyncio.run, work).result()
