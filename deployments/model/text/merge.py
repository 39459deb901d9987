"""Several async generators as one.

In: generators. Out: their items in the order they come, each source in turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Ready: TypeAlias = asyncio.Queue[tuple[T, asyncio.Semaphore] | BaseException | None]


async def merge(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Yield from all sources until the last one ends; the first error ends them all.

    A source is not asked for its next item before its last one was taken, so a fast source cannot
    crowd out a slow one. Closing the result closes every source.
    """
    if len(sources) == 1:
        async with aclosing(sources[0]) as source:
            async for item in source:
                yield item
        return
    ready: Ready[T] = asyncio.Queue()
    tasks = [asyncio.create_task(_pump(source, ready)) for source in sources]
    left = len(tasks)
    try:
        while left:
            entry = await ready.get()
            if isinstance(entry, BaseException):
                raise entry
            if entry is None:
                left -= 1
            else:
                item, taken = entry
                taken.release()
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: AsyncGenerator[T, None], ready: Ready[T]) -> None:
    taken = asyncio.Semaphore(0)
    try:
        async with aclosing(source):
            async for item in source:
                await ready.put((item, taken))
                await taken.acquire()
        await ready.put(None)
    except Exception as error:  # noqa: BLE001 - raised again by the consumer
        await ready.put(error)
