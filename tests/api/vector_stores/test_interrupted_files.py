"""Files of vector stores whose processing is cancelled, or goes on in another worker."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai

from tests.api.vector_stores.store_world import FALCON, StoreWorld, processed, sent, stored


async def until(ask: Callable[[], Awaitable[Any]]) -> None:
    """Ask until the answer is true."""
    async with asyncio.timeout(20):
        while not await ask():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)


async def test_a_cancelled_batch_leaves_nothing_behind(
    ours: openai.AsyncOpenAI, world: StoreWorld
) -> None:
    store = (await ours.vector_stores.create()).id
    kept = await stored(ours, store, FALCON)
    reader = world.documents.reader
    reader.hold = asyncio.Event()
    files = [await sent(ours, f"{FALCON} {number}") for number in range(6)]
    batches = ours.vector_stores.file_batches
    batch = await batches.create(store, file_ids=files)

    async def is_reading() -> bool:
        return len(reader.requests) > 1

    await until(is_reading)
    cancelled = await batches.cancel(batch.id, vector_store_id=store)
    reader.hold.set()

    assert (cancelled.status, cancelled.file_counts.cancelled) == ("cancelled", 6)
    assert (await batches.cancel(batch.id, vector_store_id=store)).status == "cancelled"

    async def is_over() -> bool:
        documents = (await world.documents.ask("GET")).json()["data"]
        return len(documents) == 1 and not world.documents.jobs._worker.running  # type: ignore[union-attr]

    await until(is_over)
    found = await ours.vector_stores.search(store, query="Falcon", max_num_results=50)
    assert [each.file_id for each in found.data] == [kept]
    assert (await ours.vector_stores.retrieve(store)).file_counts.cancelled == 6


async def test_another_worker_goes_on_and_reads_no_file_twice(
    ours: openai.AsyncOpenAI, world: StoreWorld
) -> None:
    store = (await ours.vector_stores.create()).id
    files = [await sent(ours, f"{FALCON} {number}") for number in range(8)]
    await ours.vector_stores.file_batches.create(store, file_ids=files)

    for _ in range(3):
        await world.restart_worker()
    for file in files:
        assert (await processed(ours, store, file)).status == "completed"

    found = await ours.vector_stores.search(store, query="Falcon", max_num_results=50)
    assert sorted(each.file_id for each in found.data) == sorted(files)
    assert len((await world.documents.ask("GET")).json()["data"]) == 8
    assert sum(world.documents.pages_used()) == 8


async def test_a_file_whose_document_was_deleted_says_so(
    ours: openai.AsyncOpenAI, world: StoreWorld
) -> None:
    store = (await ours.vector_stores.create()).id
    file = await stored(ours, store, FALCON)
    [document] = (await world.documents.ask("GET")).json()["data"]

    await world.documents.ask("DELETE", f"/{document['id']}")

    found = await ours.vector_stores.files.retrieve(file, vector_store_id=store)
    assert (found.status, found.last_error.code) == ("failed", "server_error")  # type: ignore[union-attr]
    assert (await ours.vector_stores.search(store, query="Falcon")).data == []
    assert (await ours.vector_stores.files.delete(file, vector_store_id=store)).deleted


async def test_a_file_that_is_put_in_again_begins_anew(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    file = await stored(ours, store, FALCON, attributes={"try": 1})

    await ours.vector_stores.files.create(store, file_id=file, attributes={"try": 2})
    again = await processed(ours, store, file)

    assert (again.status, again.attributes) == ("completed", {"try": 2})
    [passage] = (await ours.vector_stores.search(store, query="Falcon")).data
    assert passage.attributes == {"try": 2}
