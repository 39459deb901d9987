"""Semantic cache: cached responses to similar requests, for plans that have it, once calibrated."""

import httpx

from cluster.runtime.problems import Overloaded
from cluster.tenants.plan import Feature, Plan
from deployments.ingress.cache_stack import CacheStack
from tests.api.caching.answers import CHAT, OTHER_KEY, URL, News, turns
from tests.api.fakes import LettersEmbedder, WordsModel

SEMANTIC = Plan(id="wide", features=frozenset({Feature.SEMANTIC_CACHE}))


def like(number: int) -> dict[str, object]:
    """A request whose vector is that of all others, in words that nobody has used."""
    return {**CHAT, "messages": [{"role": "user", "content": "dab cab " + "x" * (number + 1)}]}


async def asked(web: httpx.AsyncClient, caches: CacheStack, first: int, last: int) -> list[str]:
    """Where the answers to a row of like requests came from, each learned from before the next."""
    details = []
    for number in range(first, last):
        answer = await web.post(URL, json=like(number))
        details.append(answer.headers["cache-status"].rpartition("detail=")[2])
        await turns(lambda: caches.semantic is not None and not caches.semantic.learning)
    return details


async def test_a_similar_request_gets_a_cached_response_once_enough_have_turned_out_the_same(
    web: httpx.AsyncClient, model: WordsModel, plans: dict[str, Plan], caches: CacheStack
) -> None:
    plans["acme"] = SEMANTIC
    details = await asked(web, caches, 0, 120)
    first = details.index("semantic")
    assert first > 10, "nothing is given away before there is evidence"
    assert details[first:].count("semantic") > 60
    assert len(model.requests) < 70
    report = caches.report("acme").semantic
    assert report is not None
    assert report.hits == details.count("semantic")
    assert report.errors == 0


async def test_a_plan_without_the_feature_gets_none_and_nothing_is_embedded(
    web: httpx.AsyncClient, model: WordsModel, embedder: LettersEmbedder, caches: CacheStack
) -> None:
    details = await asked(web, caches, 0, 40)
    assert "semantic" not in details
    assert len(model.requests) == 40
    assert not embedder.requests


async def test_another_tenant_profits_from_nothing(
    web: httpx.AsyncClient, plans: dict[str, Plan], caches: CacheStack
) -> None:
    plans["acme"] = plans["other"] = SEMANTIC
    assert "semantic" in await asked(web, caches, 0, 100)
    theirs = await web.post(URL, json=like(7), headers={"Authorization": f"Bearer {OTHER_KEY}"})
    assert "miss" in theirs.headers["cache-status"]


async def test_what_was_invalidated_is_not_given_to_a_like_request(
    web: httpx.AsyncClient, plans: dict[str, Plan], caches: CacheStack, news: News
) -> None:
    plans["acme"] = SEMANTIC
    assert "semantic" in await asked(web, caches, 0, 100)
    news.tell("tenant")
    assert "miss" in (await web.post(URL, json=like(500))).headers["cache-status"]


async def test_without_the_embedding_model_requests_go_on(
    web: httpx.AsyncClient, plans: dict[str, Plan], embedder: LettersEmbedder
) -> None:
    plans["acme"] = SEMANTIC
    embedder.problem = Overloaded("'letters' is not up.")
    assert (await web.post(URL, json=CHAT)).status_code == 200
