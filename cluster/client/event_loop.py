"""The event loop on which all handle calls of a process run, in a dedicated thread.

Serve keeps one router for each deployment and process, bound to the loop of its first use.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from functools import cache
from typing import Any, Final, TypeVar, cast

END: Final = object()  # of a stream
T = TypeVar("T")


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """This process's event loop for handle calls, in a dedicated thread."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="mobula-client", daemon=True).start()
    return loop


def run(work: Coroutine[Any, Any, T]) -> T:
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C must not leave the call running
        raise


def iterate(stream: AsyncGenerator[T, None]) -> Iterator[T]:
    try:
        while (item := run(next_item(stream))) is not END:
            yield cast("T", item)
    finally:
        run(close(stream))


async def run_on_client_loop(work: Coroutine[Any, Any, T]) -> T:
    """Awaits work on the client loop from this loop; a cancellation is forwarded."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop()))


async def next_item(stream: AsyncGenerator[T, None]) -> T | object:
    return await anext(stream, END)


async def close(stream: AsyncGenerator[T, None]) -> None:
    await stream.aclose()
