"""What every tier promises: bytes under keys, for a while, and nobody else's."""

import asyncio
import random

import pytest

from deployments.contracts.cache import KEY_BYTES, Tier
from tests.contract.cache.conftest import MB, until

KEY = bytes(range(KEY_BYTES))
TTL_S = 60.0


@pytest.mark.parametrize(
    "sealed",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(range(256)) + b"\r\n\0\xff", id="binary"),
        pytest.param(random.Random(1).randbytes(MB), id="1 MB"),
        pytest.param(random.Random(5).randbytes(5 * MB), id="5 MB"),
    ],
)
async def test_what_was_put_comes_back_unchanged(tier: Tier, sealed: bytes) -> None:
    await tier.put(KEY, sealed, TTL_S)

    assert await tier.get(KEY) == sealed


async def test_what_was_not_put_is_missing(tier: Tier) -> None:
    assert await tier.get(KEY) is None


async def test_a_later_put_replaces(tier: Tier) -> None:
    await tier.put(KEY, b"first, and longer", TTL_S)
    await tier.put(KEY, b"second", TTL_S)

    assert await tier.get(KEY) == b"second"


async def test_what_is_over_is_missing(tier: Tier) -> None:
    async def is_gone() -> bool:
        return await tier.get(KEY) is None

    await tier.put(KEY, b"short-lived", 0.2)
    await tier.put(KEY[::-1], b"long-lived", TTL_S)

    await until(is_gone)
    assert await tier.get(KEY[::-1]) == b"long-lived"


async def test_a_life_without_length_keeps_nothing(tier: Tier) -> None:
    await tier.put(KEY, b"dead", 0.0)

    assert await tier.get(KEY) is None


async def test_what_was_removed_is_missing(tier: Tier) -> None:
    await tier.put(KEY, b"answer", TTL_S)
    await tier.remove(KEY)
    await tier.remove(KEY)

    assert await tier.get(KEY) is None


async def test_nothing_leaks_between_keys(tier: Tier) -> None:
    """Keys that differ in one bit, or hold what means something to a server or a file system."""
    bits = [(1 << bit).to_bytes(KEY_BYTES, "big") for bit in range(0, 8 * KEY_BYTES, 8)]
    words = [b"{a}:answer\r\n", b"../../etc/passwd", b"*?[a]", b"\0\0", b"'; FLUSHALL"]
    keys = [bytes(KEY_BYTES), *bits, *(word.ljust(KEY_BYTES, b"}") for word in words)]

    await asyncio.gather(*(tier.put(key, b"of " + key, TTL_S) for key in keys))
    await tier.remove(keys[0])

    assert await tier.get(keys[0]) is None
    found = await asyncio.gather(*(tier.get(key) for key in keys[1:]))
    assert found == [b"of " + key for key in keys[1:]]


async def test_it_says_what_it_holds(tier: Tier) -> None:
    await tier.put(KEY, b"answer", TTL_S)

    assert {"bytes", "entries", "evictions", "errors"} <= set(tier.figures())
    assert tier.figures()["errors"] == 0
