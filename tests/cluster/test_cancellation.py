"""Streams that are given up at any moment leave nothing behind, by the engine's own count."""

import asyncio
import random
from typing import Any

import httpx

from tests.cluster.polling import eventually

STREAMS, AT_ONCE = 300, 24


async def test_streams_cancelled_at_random_points_leave_no_slot_or_handler(
    client: httpx.AsyncClient,
) -> None:
    before = await load(client)
    dice = random.Random(4)
    door = asyncio.Semaphore(AT_ONCE)

    async def give_up(number: int, after: int) -> None:
        body = {
            "model": "nano",
            "messages": [{"role": "user", "content": "Write an Instagram caption about a fair"}],
            "stream": True,
            "ignore_eos": True,
            "max_tokens": 200,
            "seed": number,
        }
        async with door, client.stream("POST", "/v1/chat/completions", json=body) as response:
            seen = 0
            async for _ in response.aiter_lines():
                seen += 1
                if seen > after:
                    return

    await asyncio.gather(*(give_up(n, dice.randrange(40)) for n in range(STREAMS)))

    async def settled() -> bool:
        now = await load(client)
        return now["running"] == now["waiting"] == now["handlers"] == 0

    await eventually(settled)
    now = await load(client)
    assert now["submitted"] - before["submitted"] == STREAMS
    assert now["submitted"] == now["finished"] + now["cancelled"] + now["failed"]
    assert now["cancelled"] > before["cancelled"]
    assert now["failed"] == before["failed"]


async def load(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/health")).json()["models"]["nano"]["load"]
