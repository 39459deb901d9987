"""Two attempts at one thing, the second only if the first takes long."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def first_success(
    first: Coroutine[Any, Any, T],
    delay_s: float,
    another: Callable[[], Coroutine[Any, Any, T] | None],
) -> T:
    """What the first good one gives; the other is cancelled.

    `another` is asked for the second one after `delay_s`. Raises what the first one raised where
    none is good.
    """
    racers = [asyncio.ensure_future(first)]
    try:
        done, _ = await asyncio.wait(racers, timeout=delay_s)
        second = None if done else another()
        if second is not None:
            racers.append(asyncio.ensure_future(second))
        pending = {racer for racer in racers if not racer.done()}
        while not any(map(_good, racers)) and pending:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        return next(filter(_good, racers), racers[0]).result()
    finally:
        for racer in racers:
            racer.add_done_callback(_seen)
            racer.cancel()


def _good(racer: "asyncio.Future[Any]") -> bool:
    return racer.done() and not racer.cancelled() and racer.exception() is None


def _seen(racer: "asyncio.Future[Any]") -> None:
    """asyncio complains of failures that nobody has looked at."""
    if not racer.cancelled():
        racer.exception()
