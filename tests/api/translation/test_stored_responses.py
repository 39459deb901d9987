"""Responses that are stored: continued, retrieved, deleted; each tenant its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from starlette.types import ASGIApp

from cluster.responses.store import ResponseLimits, ResponseStore
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import stored_responses
from deployments.ingress.http.app import create_app
from deployments.ingress.services import AppServices
from tests.api.idempotency.replays import KEYS, ThreeKeys
from tests.api.translation import reading
from tests.api.translation.scripted import Script, ScriptedModel
from tests.api.web import client_of
from tests.servers.stores import open_store, store_url  # noqa: F401

PATH = "/v1/responses"
DAY_S = 86_400.0


@pytest.fixture
def clock() -> ManualClock:
    """Of the store alone: requests keep their real deadlines."""
    return ManualClock()


@pytest.fixture
def store(database: Database, clock: ManualClock) -> ResponseStore:
    return ResponseStore(
        database, lambda tenant: tenant.encode().ljust(32, b"s"), clock, ResponseLimits()
    )


@pytest.fixture
def app(services: AppServices, store: ResponseStore) -> ASGIApp:
    return create_app(replace(services, authenticator=ThreeKeys(), responses=store))


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, "mob_one") as client:
        yield client


@pytest.fixture
async def stranger(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Of another tenant."""
    async with client_of(app, "mob_other") as client:
        yield client


async def create(client: httpx.AsyncClient, input: Any, **more: Any) -> dict[str, Any]:
    response = await client.post(PATH, json={"model": "words", "input": input, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = (
        reading.events(response.text)[-1][1]["response"] if more.get("stream") else response.json()
    )
    return answer


def said(model: ScriptedModel) -> list[tuple[str, str]]:
    """The messages of the model's last request."""
    return [(each.role, each.content) for each in model.requests[-1].messages]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_continues_all_that_came_before_it(
    client: httpx.AsyncClient, scripted: ScriptedModel, stream: bool
) -> None:
    first = await create(client, "one?", instructions="Be brief.", stream=stream)
    second = await create(client, "two?", previous_response_id=first["id"], stream=stream)
    third = await create(client, "three?", previous_response_id=second["id"])

    words = "one two three"
    assert said(scripted) == [
        ("user", "one?"), ("assistant", words), ("user", "two?"), ("assistant", words),
        ("user", "three?"),
    ]  # fmt: skip
    assert third["previous_response_id"] == second["id"]
    assert first["store"] is True


async def test_one_response_may_be_continued_twice(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    first = await create(client, "one?")
    await create(client, "two?", previous_response_id=first["id"])
    await create(client, "other?", previous_response_id=first["id"])

    assert [text for _, text in said(scripted)] == ["one?", "one two three", "other?"]


async def test_the_loop_of_a_tool_goes_through_a_stored_response(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    scripted.script = Script((), (("c1", "weather", ("{}",)),), "tool_calls")
    first = await create(client, "Weather?", tools=[tool])
    scripted.script = Script()
    result = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
    await create(client, [result], tools=[tool], previous_response_id=first["id"])

    assert said(scripted) == [("user", "Weather?"), ("assistant", ""), ("tool", "rain")]


async def test_a_reference_stands_for_an_item_of_a_stored_response(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    first = await create(client, "one?")
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    await create(client, [reference, {"role": "user", "content": "two?"}])

    assert said(scripted) == [("assistant", "one two three"), ("user", "two?")]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_retrieved_is_what_was_answered(
    client: httpx.AsyncClient, stream: bool
) -> None:
    made = await create(client, "one?", metadata={"order": "17"}, stream=stream)

    response = await client.get(f"{PATH}/{made['id']}")

    assert response.status_code == 200
    assert response.json() == made


async def test_the_input_of_a_response_is_listed_in_pages(client: httpx.AsyncClient) -> None:
    given = [{"role": "user", "content": f"{number}?"} for number in range(5)]
    made = await create(client, given)
    path = f"{PATH}/{made['id']}/input_items"

    newest = (await client.get(path, params={"limit": 2})).json()
    after = {"limit": 2, "after": newest["last_id"]}
    middle = (await client.get(path, params=after)).json()
    oldest = (await client.get(path, params={"order": "asc"})).json()

    def texts(page: dict[str, Any]) -> list[str]:
        return [item["content"][0]["text"] for item in page["data"]]

    assert (texts(newest), newest["has_more"]) == (["4?", "3?"], True)
    assert (texts(middle), middle["has_more"]) == (["2?", "1?"], True)
    assert (texts(oldest), oldest["has_more"]) == (["0?", "1?", "2?", "3?", "4?"], False)
    refused = await client.get(path, params={"after": "msg_none"})
    assert refused.json()["error"]["param"] == "after"


async def test_nothing_is_stored_where_the_client_says_so(
    client: httpx.AsyncClient, database: Database
) -> None:
    made = await create(client, "one?", store=False)

    assert made["store"] is False
    assert (await client.get(f"{PATH}/{made['id']}")).status_code == 404
    async with database.read() as connection:
        assert (await connection.execute(select(stored_responses))).all() == []


async def test_a_deleted_response_is_gone_and_cannot_be_continued(
    client: httpx.AsyncClient,
) -> None:
    first = await create(client, "one?")
    second = await create(client, "two?", previous_response_id=first["id"])

    response = await client.delete(f"{PATH}/{first['id']}")

    assert response.json() == {"id": first["id"], "object": "response", "deleted": True}
    assert (await client.get(f"{PATH}/{first['id']}")).status_code == 404
    assert (await client.delete(f"{PATH}/{first['id']}")).status_code == 404
    for previous in (first, second):  # the second's context is incomplete
        body = {"model": "words", "input": "x", "previous_response_id": previous["id"]}
        refused = await client.post(PATH, json=body)
        assert refused.status_code == 404
        assert refused.json()["error"]["param"] == "previous_response_id"


async def test_another_tenants_responses_are_not_found(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    made = await create(client, "one?")
    path = f"{PATH}/{made['id']}"
    reference = {"type": "item_reference", "id": made["output"][0]["id"]}
    bodies = (
        {"model": "words", "input": "x", "previous_response_id": made["id"]},
        {"model": "words", "input": "x", "previous_response_id": "resp_none"},
        {"model": "words", "input": "x", "previous_response_id": "no\0ne"},
    )

    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.get(f"{path}/input_items")).status_code == 404
    assert (await stranger.delete(path)).status_code == 404
    assert (await stranger.post(f"{path}/cancel")).status_code == 404
    details = []
    for body in bodies:
        refused = await stranger.post(PATH, json=body)
        assert refused.status_code == 404
        details.append(refused.json()["error"]["message"].replace(body["previous_response_id"], ""))
    assert len(set(details)) == 1  # in the words for one that does not exist
    unknown = await stranger.post(PATH, json={"model": "words", "input": [reference]})
    assert unknown.json()["error"]["param"] == "input[0].id"
    assert (await client.get(path)).status_code == 200


async def test_a_response_cannot_be_cancelled_as_there_is_no_background(
    client: httpx.AsyncClient,
) -> None:
    made = await create(client, "one?")

    refused = await client.post(f"{PATH}/{made['id']}/cancel")

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "background"


async def test_a_response_expires_after_its_last_continuation(
    client: httpx.AsyncClient, store: ResponseStore, clock: ManualClock, database: Database
) -> None:
    left = await create(client, "left?")
    first = await create(client, "one?")
    clock.advance(20 * DAY_S)
    second = await create(client, "two?", previous_response_id=first["id"])
    clock.advance(20 * DAY_S)

    assert (await client.get(f"{PATH}/{left['id']}")).status_code == 404
    await create(client, "three?", previous_response_id=second["id"])
    assert await store.prune() == 1


async def test_nothing_of_a_response_can_be_read_in_the_store(
    client: httpx.AsyncClient, database: Database
) -> None:
    await create(client, "a secret plan")

    async with database.read() as connection:
        row = (await connection.execute(select(stored_responses))).one()
    held = b"".join(str(v).encode() if not isinstance(v, bytes) else v for v in row)
    for word in (b"secret", b"three", b"words"):
        assert word not in held


async def test_a_store_that_is_down_fails_no_answer_and_continues_none(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE stored_responses RENAME TO gone"))
    try:
        made = await create(client, "one?")
        body = {"model": "words", "input": "x", "previous_response_id": made["id"]}
        refused = await client.post(PATH, json=body)
    finally:
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE gone RENAME TO stored_responses"))

    assert made["store"] is False
    assert refused.status_code in (500, 503)


async def test_every_key_of_a_tenant_finds_its_responses(
    app: ASGIApp, client: httpx.AsyncClient
) -> None:
    made = await create(client, "one?")

    assert KEYS["mob_two"].tenant == KEYS["mob_one"].tenant
    async with client_of(app, "mob_two") as second:
        assert (await second.get(f"{PATH}/{made['id']}")).status_code == 200
