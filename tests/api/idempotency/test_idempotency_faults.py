"""What fails, dies, is refused or is too large leaves its Idempotency-Key as it should."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from starlette.types import ASGIApp

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.ingress.http.app import create_app
from tests.api.fakes import WordsModel
from tests.api.idempotency.replays import (
    BRIEF,
    CAPTIONS,
    CHAT,
    HELLO,
    KEY,
    NewReplica,
    ThreeKeys,
    replayed,
    until,
)
from tests.api.web import MakeServices, client_of
from tests.api.wire import Wire


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_fails_leaves_the_key_free(
    client: httpx.AsyncClient, model: WordsModel, stream: bool
) -> None:
    body = {**HELLO, "stream": stream}
    model.fail_after = 0
    failed = await client.post(CHAT, json=body, headers=KEY)
    model.fail_after = None
    answer = await client.post(CHAT, json=body, headers=KEY)

    assert (failed.status_code, answer.status_code) == (502, 200)
    assert not replayed(answer)


async def test_a_stream_that_breaks_is_not_kept(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    body = {**HELLO, "stream": True}
    model.fail_after = 2
    broken = await client.post(CHAT, json=body, headers=KEY)
    model.fail_after = None
    whole = await client.post(CHAT, json=body, headers=KEY)

    assert "model_failed" in broken.text
    assert whole.text.endswith("data: [DONE]\n\n")
    assert not replayed(whole)


async def test_a_refusal_that_follows_from_the_request_is_kept(client: httpx.AsyncClient) -> None:
    long = {**HELLO, "messages": [{"role": "user", "content": "word " * 100}]}
    first = await client.post(CHAT, json=long, headers=KEY)
    second = await client.post(CHAT, json=long, headers=KEY)

    assert (first.status_code, second.status_code) == (400, 400)
    assert replayed(second)
    errors = [answer.json()["error"] for answer in (first, second)]
    for error in errors:
        assert error.pop("request_id")  # each names the request that it answers
    assert errors[0] == errors[1]


async def test_a_body_that_is_malformed_does_not_use_the_key_up(client: httpx.AsyncClient) -> None:
    wrong = await client.post(CHAT, json={"model": "words"}, headers=KEY)
    right = await client.post(CHAT, json=HELLO, headers=KEY)

    assert (wrong.status_code, right.status_code) == (400, 200)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_the_key(
    app: ASGIApp, client: httpx.AsyncClient, model: WordsModel, stream: bool
) -> None:
    model.hold = asyncio.Event()
    raw = json.dumps({**HELLO, "stream": stream}).encode()
    headers = {
        **KEY,
        "Authorization": "Bearer mob_one",
        "Content-Type": "application/json",
        "X-Request-Disconnect-Disabled": "?1",
    }
    wire = Wire(app, CHAT, headers=headers.items()).start().body(raw)
    await model.opened.wait()
    wire.leave()
    await wire.ended()
    model.hold.set()

    answer = await client.post(CHAT, content=raw, headers=headers)

    assert answer.status_code == 200
    assert not replayed(answer)


async def test_a_replica_that_dies_frees_the_key_when_its_lease_ends(
    replica: NewReplica, client: httpx.AsyncClient, model: WordsModel, clock: ManualClock
) -> None:
    model.hold = asyncio.Event()
    async with replica() as doomed, client_of(doomed, "mob_one") as caller:
        lost = asyncio.create_task(caller.post(CHAT, json=HELLO, headers=KEY))
        await model.opened.wait()
        assert (await client.post(CHAT, json=HELLO, headers=KEY)).status_code == 409

        clock.advance(70)  # the deadline of 60 s, and a grace
        second = asyncio.create_task(client.post(CHAT, json=HELLO, headers=KEY))
        await until(lambda: len(model.requests) == 2)
        model.hold.set()
        late, answer = await lost, await second
        again = await client.post(CHAT, json=HELLO, headers=KEY)

    assert (late.status_code, answer.status_code) == (200, 200)
    assert again.content in (late.content, answer.content)
    assert again.content == answer.content  # the late one overwrote nothing


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "a\tb", "\x7f"])
async def test_a_key_that_is_none_is_refused_with_its_limit(
    client: httpx.AsyncClient, model: WordsModel, key: str
) -> None:
    answer = await client.post(CAPTIONS, json=BRIEF, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert (answer.json()["param"], answer.json()["limit"]) == ("Idempotency-Key", 255)
    assert model.requests == []


async def test_two_keys_are_refused_and_the_longest_is_taken(client: httpx.AsyncClient) -> None:
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    refused = await client.post(CAPTIONS, json=BRIEF, headers=twice)
    taken = await client.post(CAPTIONS, json=BRIEF, headers={"Idempotency-Key": "~" * 255})

    assert (refused.status_code, taken.status_code) == (400, 200)


async def test_where_there_is_no_store_a_keyed_request_is_not_run(
    make_services: MakeServices, model: WordsModel
) -> None:
    services = replace(make_services(), authenticator=ThreeKeys())
    async with client_of(create_app(services), "mob_one") as client:
        keyed = await client.post(CHAT, json=HELLO, headers=KEY)
        plain = await client.post(CHAT, json=HELLO)

    assert (keyed.status_code, plain.status_code) == (503, 200)
    assert "retry-after" in keyed.headers
    assert len(model.requests) == 1


async def test_a_store_that_goes_away_while_it_runs_loses_no_answer(
    client: httpx.AsyncClient, database: Database, model: WordsModel
) -> None:
    model.hold = asyncio.Event()
    asked = asyncio.create_task(client.post(CHAT, json=HELLO, headers=KEY))
    await model.opened.wait()
    async with database.begin() as connection:
        await connection.execute(text("DROP TABLE idempotency_keys"))
    model.hold.set()

    assert (await asked).status_code == 200


async def test_an_answer_over_a_megabyte_is_given_but_not_kept(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ["x" * 1000] * 1100
    for stream in (False, True):
        body: dict[str, Any] = {**HELLO, "stream": stream}
        answers = [await client.post(CHAT, json=body, headers=KEY) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert not any(replayed(answer) for answer in answers)
