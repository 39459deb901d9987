"""Which responses are cached, and how a request changes that."""

import httpx

from cluster.runtime.problems import ModelFailed
from cluster.tenants.plan import Feature, Plan
from tests.api.caching.answers import CHAT, URL
from tests.api.fakes import WordsModel


async def test_a_sampled_response_is_cached_only_on_request(
    web: httpx.AsyncClient, model: WordsModel, plans: dict[str, Plan]
) -> None:
    drawn = {**CHAT, "temperature": 1}
    for _ in range(2):
        answer = await web.post(URL, json=drawn)
        assert answer.headers["cache-status"] == "mobula;fwd=bypass;detail=sampled"
    assert len(model.requests) == 2
    for _ in range(2):
        await web.post(URL, json=drawn, headers={"Mobula-Cache": "sampled"})
    assert len(model.requests) == 3
    assert (await web.post(URL, json=drawn)).headers["cache-status"].endswith("sampled")
    plans["acme"] = Plan(id="default", features=frozenset({Feature.CACHE_SAMPLED}))
    for _ in range(2):
        await web.post(URL, json=drawn)
    assert len(model.requests) == 4, "the plan's own wish finds what was cached before"


async def test_seeded_responses_are_cached(web: httpx.AsyncClient, model: WordsModel) -> None:
    for _ in range(2):
        await web.post(URL, json={**CHAT, "temperature": 1, "seed": 7})
    await web.post(URL, json={**CHAT, "temperature": 1, "seed": 8})
    assert len(model.requests) == 2


async def test_a_failure_is_sent_to_waiting_callers_and_not_cached(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    model.fail_after = 1
    assert (await web.post(URL, json=CHAT)).status_code == ModelFailed.status
    model.fail_after = None
    assert (await web.post(URL, json=CHAT)).status_code == 200


async def test_a_request_that_is_wrong_is_refused_again_without_the_model(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    long = {**CHAT, "messages": [{"role": "user", "content": "word " * 100}]}
    for _ in range(3):
        refused = await web.post(URL, json=long)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert len(model.requests) == 1


async def test_only_if_cached_computes_nothing(web: httpx.AsyncClient, model: WordsModel) -> None:
    only_if_cached = {"Cache-Control": "only-if-cached"}
    missing = await web.post(URL, json=CHAT, headers=only_if_cached)
    assert (missing.status_code, missing.json()["error"]["code"]) == (504, "not_cached")
    assert not model.requests
    await web.post(URL, json=CHAT)
    assert (await web.post(URL, json=CHAT, headers=only_if_cached)).status_code == 200


async def test_cache_control_of_the_request_is_honoured(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    stored = await web.post(URL, json=CHAT, headers={"Cache-Control": "no-store"})
    assert stored.headers["cache-status"] == "mobula;fwd=bypass;detail=no-store"
    await web.post(URL, json=CHAT)
    anew = await web.post(URL, json=CHAT, headers={"Cache-Control": "no-cache"})
    assert anew.headers["cache-status"] == "mobula;fwd=request;stored"
    assert len(model.requests) == 3
    await web.post(URL, json=CHAT, headers={"Cache-Control": "max-age=60"})
    assert len(model.requests) == 3


async def test_captions_of_a_seed_are_cached_variant_by_variant(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    brief = {"platform": "instagram", "topic": "a coffee shop", "variants": 2, "seed": 5}
    first = await web.post("/api/v1/captions", json=brief)
    computed = len(model.requests)
    again = await web.post("/api/v1/captions", json=brief)
    assert len(model.requests) == computed > 0
    assert "hit" in again.headers["cache-status"]
    assert first.json()["variants"] == again.json()["variants"]
