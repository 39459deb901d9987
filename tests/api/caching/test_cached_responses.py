"""Cached responses: an equal request gets the same words without the model."""

import asyncio

import httpx
import pytest

from deployments.ingress.cache_stack import CacheStack
from tests.api.caching.answers import CHAT, URL, text, turns
from tests.api.fakes import Records, WordsModel


async def test_the_same_request_again_needs_no_model(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    first = await web.post(URL, json=CHAT)
    again = await web.post(URL, json=CHAT)
    third = await web.post(URL, json=CHAT)
    assert len(model.requests) == 1
    assert text(first) == text(again) == text(third) == "one two three"
    assert first.headers["cache-status"] == "mobula;fwd=miss;stored"
    for hit in (again, third):
        assert hit.headers["cache-status"].startswith("mobula;hit;ttl=")
        assert hit.headers["cache-status"].endswith("detail=l1")
        assert hit.headers["age"] == "0"
    ids = {answer.json()["id"] for answer in (first, again, third)}
    assert len(ids) == 3, "each answer has the id of its own request"


async def test_a_fast_answer_differs_from_a_slow_one_in_nothing_but_its_id(
    web: httpx.AsyncClient,
) -> None:
    await web.post(URL, json=CHAT)
    fast = await web.post(URL, json=CHAT)
    slow = await web.post(URL, json=CHAT, headers={"Mobula-Timeout": "30"})
    assert {**fast.json(), "id": ""} == {**slow.json(), "id": ""}
    own = {"x-request-id", "x-mobula-overhead-ms", "content-length"}
    assert set(fast.headers) - own == set(slow.headers) - own


async def test_a_cached_response_is_a_request_in_the_ledger_and_a_line_in_the_trail(
    web: httpx.AsyncClient, records: Records, access_log: list[bytes]
) -> None:
    for _ in range(3):
        await web.post(URL, json=CHAT)
    assert [amounts.tokens for _, _, amounts in records.usage] == [6]
    assert records.kept == [("acme", "words")] * 2
    assert [line.resource for line in records.lines] == ["model:words"] * 3
    assert [line.outcome for line in records.lines] == ["ok"] * 3
    assert len(access_log) == 3


async def test_a_stream_and_a_whole_answer_are_the_same_answer(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    await web.post(URL, json=CHAT)
    streamed = await web.post(URL, json={**CHAT, "stream": True})
    assert len(model.requests) == 1
    assert "one two three" in streamed.text
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert "hit" in streamed.headers["cache-status"]


async def test_a_streamed_response_is_cached_whole(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    streamed = await web.post(URL, json={**CHAT, "stream": True})
    assert streamed.headers["cache-status"].startswith("mobula;fwd=miss")
    again = await web.post(URL, json=CHAT)
    assert len(model.requests) == 1
    assert text(again) == "one two three"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hundred_equal_requests_at_once_are_computed_once(
    web: httpx.AsyncClient, model: WordsModel, stream: bool
) -> None:
    model.hold = asyncio.Event()
    body = {**CHAT, "stream": stream}
    asked = [asyncio.create_task(web.post(URL, json=body)) for _ in range(100)]
    await model.opened.wait()
    model.hold.set()
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert len(model.requests) == 1


async def test_who_leaves_does_not_take_the_answer_from_who_stays(
    web: httpx.AsyncClient, model: WordsModel, caches: CacheStack
) -> None:
    model.hold = asyncio.Event()
    first = asyncio.create_task(web.post(URL, json=CHAT))
    await model.opened.wait()
    second = asyncio.create_task(web.post(URL, json=CHAT))
    responses = caches.responses
    assert responses is not None
    await turns(lambda: responses.flights.figures()["joined"] == 1)
    first.cancel()
    await asyncio.wait([first])
    model.hold.set()
    assert text(await second) == "one two three"
    assert len(model.requests) == 1


async def test_figures_tell_what_the_cache_did(web: httpx.AsyncClient, caches: CacheStack) -> None:
    for _ in range(3):
        await web.post(URL, json=CHAT)
    await web.post(URL, json={**CHAT, "temperature": 1})
    counts = caches.report("acme").counts
    assert (counts.l1, counts.misses, counts.computed, counts.stored) == (2, 1, 1, 1)
    assert (counts.bypassed, counts.tokens_saved) == (1, 12)
    assert caches.report("other").counts.l1 == 0
