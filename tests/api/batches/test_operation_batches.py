"""Batches over any operation: each item is answered, refused and charged as by its own route."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from cluster.storage.tables import batch_items
from deployments.ingress.handle_api import HandleApi
from tests.api.batches.batch_world import CHAT, OURS, READER, BatchWorld, until
from tests.api.fakes import WordsModel


async def test_every_item_has_the_answer_of_its_own_route(world: BatchWorld) -> None:
    made = await world.create(CHAT, {"model": "words"}, {**CHAT, "model": "none"})
    assert (made["http"], made["object"], made["operation"]) == (202, "batch", "chat")
    ended = await world.ended(made["id"])

    assert (ended["status"], ended["counts"]) == (
        "completed",
        {"total": 3, "succeeded": 1, "failed": 2, "pending": 0},
    )
    good, malformed, unknown = await world.items(made["id"])
    assert good["response"]["choices"][0]["message"]["content"] == "one two three"
    assert (good["index"], good["custom_id"], good["status"]) == (0, "n0", "succeeded")
    assert (malformed["http_status"], malformed["error"]["param"]) == (422, "messages")
    assert (unknown["http_status"], unknown["error"]["title"]) == (404, "No such model")
    assert unknown["request_id"] == unknown["error"]["request_id"] == f"{made['id']}-2"


@pytest.mark.parametrize(
    ("operation", "body", "field"),
    [
        ("captions", {"topic": "tea"}, "variants"),
        ("embeddings", {"model": "letters", "input": "hi"}, "data"),
        ("captions.batch", {"items": [{"topic": "tea"}]}, "results"),
        ("tokenize", {"model": "words", "prompt": "hi"}, "tokens"),
    ],
)
async def test_any_operation_can_be_called(
    world: BatchWorld, operation: str, body: dict[str, Any], field: str
) -> None:
    made = await world.create(body, operation=operation)
    await world.ended(made["id"])

    (item,) = await world.items(made["id"])
    assert item["response"][field]


async def test_items_are_charged_and_audited_as_requests_of_their_own(world: BatchWorld) -> None:
    made = await world.create(CHAT, CHAT)
    await world.ended(made["id"])

    assert [(tenant, model) for tenant, model, _ in world.records.usage] == [("acme", "words")] * 2
    lines = [(line.action, line.outcome, line.request_id) for line in world.records.lines]
    assert sorted(lines)[-2:] == [("chat", "ok", f"{made['id']}-{index}") for index in (0, 1)]


async def test_what_the_key_may_no_longer_do_is_refused_item_by_item(world: BatchWorld) -> None:
    world.keys.gone.add(("acme", "key"))
    made = await world.create(CHAT)
    await world.ended(made["id"])

    (item,) = await world.items(made["id"])
    assert (item["http_status"], item["error"]["title"]) == (401, "Authentication is required")


async def test_cancelling_keeps_what_is_done(world: BatchWorld, model: WordsModel) -> None:
    model.hold = asyncio.Event()
    made = await world.create({**CHAT, "model": "none"}, CHAT)
    await until(lambda: world.items(made["id"], status="failed"))
    await world.ask("POST", f"/{made['id']}/cancel")
    ended = await world.ended(made["id"])

    assert (ended["status"], ended["counts"]["failed"], ended["counts"]["pending"]) == (
        "cancelled", 1, 1,
    )  # fmt: skip
    assert [item["status"] for item in await world.items(made["id"])] == ["failed", "cancelled"]
    assert [each["index"] for each in await world.items(made["id"], status="cancelled")] == [1]
    assert (await world.ask("POST", f"/{made['id']}/cancel")).json()["status"] == "cancelled"
    assert (await world.ask("DELETE", f"/{made['id']}")).status_code == 204
    assert (await world.ask("GET", f"/{made['id']}")).status_code == 404


async def test_bodies_and_results_are_encrypted(world: BatchWorld) -> None:
    secret = {"model": "words", "messages": [{"role": "user", "content": "the secret recipe"}]}
    made = await world.create(secret)
    await world.ended(made["id"])

    async with world.database.read() as connection:
        (row,) = (await connection.execute(select(batch_items))).all()
    assert row.body == b""
    assert b"one two" not in row.result
    assert (await world.items(made["id"]))[0]["response"]["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"operation": "nothing", "items": [{"body": {}}]}, 422, "captions"),
        ({"operation": "chat", "items": []}, 422, "items"),
        ({"operation": "chat", "items": [{"body": {}}] * 1_001}, 422, "1000"),
        ({"operation": "chat", "items": [{"body": "hi"}]}, 422, "items"),
        ({"operation": "chat", "items": [{"custom_id": "a", "body": {}}] * 2}, 422, "custom_id"),
        ({"operation": "clips", "items": [{"body": {}}]}, 403, "media:write"),
    ],
)
async def test_a_batch_that_cannot_be_is_refused_as_a_whole(
    world: BatchWorld, body: dict[str, Any], status: int, text: str
) -> None:
    answer = await world.ask("POST", json=body)

    assert (answer.status_code, text in answer.text) == (status, True)
    assert (await world.ask("GET")).json()["data"] == []


async def test_a_streaming_item_is_refused_alone(world: BatchWorld) -> None:
    made = await world.create({**CHAT, "stream": True}, CHAT)
    await world.ended(made["id"])

    assert [item["http_status"] for item in await world.items(made["id"])] == [400, 200]


async def test_a_repeated_request_makes_one_batch(world: BatchWorld) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await world.create(CHAT, headers=headers)
    again = await world.create(CHAT, headers=headers)

    assert first["id"] == again["id"]
    assert len((await world.ask("GET")).json()["data"]) == 1


async def test_the_answer_waits_if_it_is_asked_to(world: BatchWorld) -> None:
    made = await world.create(CHAT, headers={"Prefer": "wait=20"})

    assert made["status"] == "completed"


async def test_pages_continue_after_an_index(world: BatchWorld) -> None:
    made = await world.create(*[CHAT] * 5)
    await world.ended(made["id"])

    first = (await world.ask("GET", f"/{made['id']}/items", params={"limit": 3})).json()
    rest = await world.items(made["id"], after=first["next_after"])
    assert [each["index"] for each in (*first["data"], *rest)] == [0, 1, 2, 3, 4]


async def test_a_handle_makes_a_batch_as_well(world: BatchWorld) -> None:
    body = b'{"operation": "tokenize", "items": [{"body": {"model": "words", "prompt": "hi"}}]}'
    made = await HandleApi(world.services).call(OURS, "batches", body, 9.0)

    assert (await world.ended(made["id"]))["status"] == "completed"


async def test_nobody_without_the_scope_reads_results(world: BatchWorld) -> None:
    made = await world.create(CHAT)

    assert (await world.ask("GET", f"/{made['id']}/items", READER)).status_code == 403
