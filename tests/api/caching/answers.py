"""The request that is sent again and again, and what was invalidated."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from cluster.invalidation.generations import Generations
from cluster.invalidation.target import Invalidation

OTHER_KEY = "mob_other_secret"  # of another tenant
CHAT = {
    "model": "words",
    "temperature": 0,
    "messages": [{"role": "user", "content": "Say three words"}],
}
URL = "/v1/chat/completions"


@dataclass
class News:
    """What was invalidated, told by the test."""

    generations: Generations
    current_until: float = float("inf")

    def tell(self, kind: str, name: str = "", tenant: str = "acme") -> None:
        row = Invalidation(tenant, kind, name, self.generations.latest + 1, 0.0)  # type: ignore[arg-type]
        self.generations.apply([row])


async def turns(holds: Callable[[], bool]) -> None:
    """Let other tasks run until it holds."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to hold")


def text(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])
