"""The fast path answers the bytes of a request by an alias, and freezes no choice."""

import json

import httpx
import pytest

from deployments.ingress.cache_stack import CacheStack
from tests.api.fakes import WordsModel
from tests.api.names.doors import CHAT, TURN

CONTENT = {"content-type": "application/json"}


def body(model: str, **fields: object) -> bytes:
    return json.dumps({"model": model, "messages": [TURN], "temperature": 0, **fields}).encode()


async def send(web: httpx.AsyncClient, content: bytes, id: str = "r1") -> httpx.Response:
    return await web.post(CHAT, content=content, headers={**CONTENT, "X-Request-ID": id})


def frozen(caches: CacheStack) -> int:
    """How many bodies the fast path knows."""
    assert caches.memory is not None
    return len(caches.memory.aliases)


@pytest.mark.parametrize("name", ["gpt-4o-mini", "house-words", "openai/gpt-4o"])
async def test_the_bytes_of_a_plain_alias_are_known(
    web: httpx.AsyncClient, caches: CacheStack, name: str
) -> None:
    """Once an answer of the cache has been rendered."""
    first, _ = [await send(web, body(name)) for _ in range(2)]
    before = frozen(caches)
    fast = await send(web, body(name))

    assert before == 1
    assert fast.json() == first.json()
    assert fast.headers["mobula-model"] == first.headers["mobula-model"]
    assert "detail=l1" in fast.headers["cache-status"]


async def test_ignored_fields_are_told_beside_the_model(web: httpx.AsyncClient) -> None:
    content = body("gpt-4o-mini", temprature=1)

    answers = [await send(web, content) for _ in range(3)]

    assert {each.headers["mobula-ignored"] for each in answers} == {"temprature"}
    assert {each.headers["mobula-model"] for each in answers} == {"words"}


@pytest.mark.parametrize("name", ["canary", "mine", "by-size", "by-tenant"])
async def test_names_that_may_lead_elsewhere_are_not_frozen(
    web: httpx.AsyncClient, caches: CacheStack, name: str
) -> None:
    for _ in range(4):
        await send(web, body(name))

    assert frozen(caches) == 0


async def test_a_canary_divides_equal_requests_that_are_cached(
    web: httpx.AsyncClient, model: WordsModel, others: dict[str, WordsModel]
) -> None:
    for _ in range(2):
        models = {
            (await send(web, body("canary"), f"request-{number}")).json()["model"]
            for number in range(30)
        }
        assert models == {"words", "spare"}
    assert len(model.requests) == len(others["spare"].requests) == 1
