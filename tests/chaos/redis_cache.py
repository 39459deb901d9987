"""What the cache keeps in Redis, read and poisoned by somebody who may do anything there."""

import time
from collections.abc import Mapping

from redis.asyncio import Redis


async def answers(redis: Redis) -> dict[bytes, bytes]:
    """What Redis holds that is kept, sealed."""
    keys = await redis.keys("mobula:cache:*:answer")
    return {key: value for key in keys if (value := await redis.get(key)) is not None}


async def swap(redis: Redis) -> dict[bytes, bytes]:
    """Every key gets what the next one held, and the last one nonsense."""
    held = await answers(redis)
    swapped = dict(zip(held, [*list(held.values())[1:], b"\1nonsense"], strict=True))
    for key, value in swapped.items():
        await redis.set(key, value, keepttl=True, xx=True)
    return swapped


async def flights(redis: Redis) -> list[bytes]:
    return sorted(await redis.keys("mobula:cache:*:flight"))


async def publishing(redis: Redis, count: int) -> bool:
    """Have so many leaders believe that they are followed; whether they have told something."""
    keys = await flights(redis)
    for key in keys:
        soon_ms = 1000 * (time.time() + 60)
        await redis.zadd(key.replace(b":flight", b":followers"), {"nobody": soon_ms})
    return [await redis.llen(key) > 2 for key in keys] == [True] * count


async def holds(redis: Redis, count: int) -> bool:
    return len(await answers(redis)) == count


async def is_clean(redis: Redis, poison: Mapping[bytes, bytes]) -> bool:
    held = await answers(redis)
    return all(held[key] != value for key, value in poison.items())
