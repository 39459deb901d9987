"""Cached responses are for callers who may have them, and only until they are invalidated."""

import asyncio

import httpx
import pytest

from cluster.tenants.plan import Plan
from tests.api.caching.answers import CHAT, OTHER_KEY, URL, News
from tests.api.fakes import WordsModel
from tests.api.web import ADMIN_KEY, CALLERS, READER_KEY


async def test_another_tenant_gets_an_answer_of_its_own(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    await web.post(URL, json=CHAT)
    theirs = await web.post(URL, json=CHAT, headers={"Authorization": f"Bearer {OTHER_KEY}"})
    assert theirs.headers["cache-status"] == "mobula;fwd=miss;stored"
    assert len(model.requests) == 2


async def test_a_key_that_may_not_generate_gets_no_cached_response(
    web: httpx.AsyncClient,
) -> None:
    for _ in range(2):
        await web.post(URL, json=CHAT)
    refused = await web.post(URL, json=CHAT, headers={"Authorization": f"Bearer {READER_KEY}"})
    assert refused.status_code == 403


async def test_a_plan_that_no_longer_allows_the_model_ends_its_cached_responses(
    web: httpx.AsyncClient, plans: dict[str, Plan]
) -> None:
    for _ in range(2):
        await web.post(URL, json=CHAT)
    plans["acme"] = Plan(id="small", models=("others",))
    assert (await web.post(URL, json=CHAT)).status_code == 404


async def test_a_revoked_key_gets_no_cached_response(
    web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await web.post(URL, json=CHAT)
    monkeypatch.delitem(CALLERS, ADMIN_KEY)
    assert (await web.post(URL, json=CHAT)).status_code == 401


async def test_what_was_invalidated_is_computed_anew(
    web: httpx.AsyncClient, model: WordsModel, news: News
) -> None:
    tagged = {"Mobula-Cache-Tags": "post:1"}
    await web.post(URL, json=CHAT)
    await web.post(URL, json=CHAT, headers=tagged)
    news.tell("tag", "post:1")
    again = await web.post(URL, json=CHAT, headers=tagged)
    assert again.headers["cache-status"] == "mobula;fwd=miss;stored"
    untouched = await web.post(URL, json=CHAT)
    assert "hit" in untouched.headers["cache-status"]
    news.tell("tenant")
    assert "miss" in (await web.post(URL, json=CHAT)).headers["cache-status"]


async def test_an_answer_that_began_before_an_invalidation_is_not_cached_beyond_it(
    web: httpx.AsyncClient, model: WordsModel, news: News
) -> None:
    model.hold = asyncio.Event()
    first = asyncio.create_task(web.post(URL, json=CHAT))
    await model.opened.wait()
    news.tell("tenant")
    model.hold.set()
    await first
    await web.post(URL, json=CHAT)
    assert len(model.requests) == 2


async def test_without_news_of_invalidations_nothing_is_served_from_the_cache(
    web: httpx.AsyncClient, model: WordsModel, news: News
) -> None:
    for _ in range(2):
        await web.post(URL, json=CHAT)
    news.current_until = -1.0
    answer = await web.post(URL, json=CHAT)
    assert answer.headers["cache-status"].endswith("invalidations-unknown")
    assert len(model.requests) == 2
