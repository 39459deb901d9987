"""A POST that is sent again under its Idempotency-Key runs once, on whichever replica."""

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.idempotency.store import RETENTION_S
from cluster.runtime.clock import ManualClock
from tests.api.fakes import Records, WordsModel
from tests.api.idempotency.replays import (
    BRIEF,
    CAPTIONS,
    CHAT,
    HELLO,
    KEY,
    ONE_OF_EACH,
    NewReplica,
    replayed,
)
from tests.api.web import client_of


@pytest.mark.parametrize("path", ONE_OF_EACH)
async def test_the_second_gets_the_first_s_answer_and_no_model_is_called(
    client: httpx.AsyncClient, model: WordsModel, records: Records, path: str
) -> None:
    first = await client.post(path, json=ONE_OF_EACH[path], headers=KEY)
    calls, used = len(model.requests), len(records.usage)

    second = await client.post(path, json=ONE_OF_EACH[path], headers=KEY)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert (replayed(first), replayed(second)) == (False, True)
    assert (len(model.requests), len(records.usage)) == (calls, used)
    assert calls > 0


@pytest.mark.parametrize(
    ("path", "accept"), [(CHAT, "*/*"), (CAPTIONS, "text/event-stream"),
                         (CAPTIONS, "application/x-ndjson")]
)  # fmt: skip
async def test_a_stream_is_given_again_as_a_stream(
    client: httpx.AsyncClient, model: WordsModel, path: str, accept: str
) -> None:
    body = {**ONE_OF_EACH[path], "stream": True}
    headers = {**KEY, "Accept": accept}
    first = await client.post(path, json=body, headers=headers)
    calls = len(model.requests)

    second = await client.post(path, json=body, headers=headers)

    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert replayed(second)
    assert not replayed(first)
    assert len(model.requests) == calls


async def test_another_replica_and_a_restarted_one_know_the_answer(
    replica: NewReplica, model: WordsModel
) -> None:
    answers = []
    for _ in range(2):
        async with replica() as app, client_of(app, "mob_one") as client:
            answers.append(await client.post(CHAT, json=HELLO, headers=KEY))

    assert answers[0].content == answers[1].content
    assert replayed(answers[1])
    assert len(model.requests) == 1


async def test_of_64_at_once_on_two_replicas_one_calls_the_model(
    replica: NewReplica, model: WordsModel
) -> None:
    async with (
        replica() as left,
        replica() as right,
        client_of(left, "mob_one") as one,
        client_of(right, "mob_one") as two,
    ):
        asked = [c.post(CHAT, json=HELLO, headers=KEY) for c in (one, two) for _ in range(32)]
        answers = await asyncio.gather(*asked)

    assert len(model.requests) == 1
    whole = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.content for answer in whole}) == 1
    assert sum(not replayed(answer) for answer in whole) == 1
    for refused in (answer for answer in answers if answer.status_code != 200):
        assert refused.status_code == 409
        assert refused.headers["retry-after"] == "1"


async def test_while_the_first_runs_the_second_is_told_to_wait(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.hold = asyncio.Event()
    first = asyncio.create_task(client.post(CHAT, json=HELLO, headers=KEY))
    await model.opened.wait()

    second = await client.post(CHAT, json=HELLO, headers=KEY)
    model.hold.set()

    assert second.status_code == 409
    assert second.json()["error"]["code"] == "conflict"
    assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 200


async def test_a_key_that_stands_for_another_body_or_form_is_422(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    await client.post(CAPTIONS, json=BRIEF, headers=KEY)
    calls = len(model.requests)

    body = await client.post(CAPTIONS, json={**BRIEF, "seed": 2}, headers=KEY)
    form = await client.post(CAPTIONS, json=BRIEF, headers={**KEY, "Accept": "text/event-stream"})

    for refused in (body, form):
        assert refused.status_code == 422
        assert refused.json()["type"].endswith("/idempotency-key-reused")
        assert refused.json()["param"] == "Idempotency-Key"
    assert len(model.requests) == calls


@pytest.mark.parametrize("other", ["mob_two", "mob_other"])
async def test_the_keys_of_another_credential_or_tenant_are_its_own(
    app: ASGIApp, client: httpx.AsyncClient, model: WordsModel, other: str
) -> None:
    mine = await client.post(CHAT, json=HELLO, headers=KEY)
    async with client_of(app, other) as stranger:
        theirs = await stranger.post(CHAT, json=HELLO, headers=KEY)

    assert len(model.requests) == 2
    assert not replayed(theirs)
    assert theirs.json()["id"] != mine.json()["id"]


async def test_a_key_on_another_route_is_another_key(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    await client.post(CHAT, json=HELLO, headers=KEY)
    answer = await client.post("/v1/completions", json=ONE_OF_EACH["/v1/completions"], headers=KEY)

    assert answer.status_code == 200
    assert not replayed(answer)


async def test_after_a_day_the_key_is_free(
    client: httpx.AsyncClient, model: WordsModel, clock: ManualClock
) -> None:
    await client.post(CHAT, json=HELLO, headers=KEY)
    clock.advance(RETENTION_S)

    answer = await client.post(CHAT, json=HELLO, headers=KEY)

    assert not replayed(answer)
    assert len(model.requests) == 2


async def test_a_replay_and_a_refusal_write_audit_lines(
    client: httpx.AsyncClient, records: Records
) -> None:
    await client.post(CHAT, json=HELLO, headers=KEY)
    await client.post(CHAT, json=HELLO, headers=KEY)
    await client.post(CHAT, json={**HELLO, "n": 2}, headers=KEY)

    assert [line.outcome for line in records.lines] == ["ok", "ok", "idempotency-key-reused"]


async def test_large_answers_are_given_again_whole(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ["word"] * 50_000
    first = await client.post(CHAT, json=HELLO, headers=KEY)
    second = await client.post(CHAT, json=HELLO, headers=KEY)

    assert len(first.content) > 200_000
    assert second.content == first.content
    assert replayed(second)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_replay_names_the_ignored_fields_as_the_first_response_did(
    client: httpx.AsyncClient, stream: bool
) -> None:
    body = {**HELLO, "typo": 1, "stream": stream}
    answers = [await client.post(CHAT, json=body, headers=KEY) for _ in range(2)]

    assert [replayed(answer) for answer in answers] == [False, True]
    assert [answer.headers["mobula-ignored"] for answer in answers] == ["typo", "typo"]
