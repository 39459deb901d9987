"""Requests under an Idempotency-Key, whose keys they are, and how a replay is told."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
from starlette.types import ASGIApp

from cluster.runtime.problems import Unauthenticated
from cluster.tenants.caller import Caller, Scope

CHAT, CAPTIONS = "/v1/chat/completions", "/api/v1/captions"
KEY = {"Idempotency-Key": "order-17"}
HELLO = {"model": "words", "messages": [{"role": "user", "content": "hello there"}]}
BRIEF = {"topic": "a coffee shop", "variants": 2, "seed": 1}
ONE_OF_EACH = {
    CHAT: HELLO,
    "/v1/completions": {"model": "words", "prompt": "hello"},
    "/v1/responses": {"model": "words", "input": "hello"},
    "/v1/messages": {**HELLO, "max_tokens": 9},
    CAPTIONS: BRIEF,
    "/api/v1/captions/batch": {"items": [BRIEF, BRIEF]},
    "/api/v1/posts": {"topic": "a coffee shop"},
    "/api/v1/posts/batch": {"items": [{"topic": "a coffee shop"}]},
}
GENERATES = frozenset({Scope.GENERATE})
KEYS = {
    "mob_one": Caller("acme", "one", GENERATES),
    "mob_two": Caller("acme", "two", GENERATES),
    "mob_other": Caller("other", "one", GENERATES),
}
NewReplica = Callable[[], AbstractAsyncContextManager[ASGIApp]]


class ThreeKeys:
    """Knows the keys above."""

    def verify(self, presented: str) -> Caller:
        if presented not in KEYS:
            raise Unauthenticated("This key is not known.")
        return KEYS[presented]


def replayed(answer: httpx.Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)
