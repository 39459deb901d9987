"""Vector stores and their files as OpenAI's own client uses them."""

import openai
import pytest

from deployments.vector_stores.model import DAY_S
from tests.api.documents.documents_world import READER
from tests.api.vector_stores.store_world import (
    FALCON,
    HARBOR,
    StoreWorld,
    processed,
    sent,
    stored,
)

UNREADABLE = "BROKEN"


async def test_a_store_is_made_shown_changed_listed_and_deleted(ours: openai.AsyncOpenAI) -> None:
    made = await ours.vector_stores.create(
        name="handbook",
        metadata={"team": "support"},
        expires_after={"anchor": "last_active_at", "days": 7},
    )
    other = await ours.vector_stores.create(name="handbook")

    assert (made.object, made.status, made.name) == ("vector_store", "completed", "handbook")
    assert made.metadata == {"team": "support"}
    assert made.expires_after is not None
    assert made.expires_after.days == 7
    assert made.expires_at == made.last_active_at + int(7 * DAY_S)
    assert (made.file_counts.total, made.usage_bytes) == (0, 0)
    changed = await ours.vector_stores.update(made.id, name="", expires_after=None)
    assert (changed.name, changed.expires_after, changed.metadata) == ("", None, made.metadata)
    assert await ours.vector_stores.retrieve(made.id) == changed
    assert [each.id async for each in ours.vector_stores.list(limit=1)] == [other.id, made.id]
    assert (await ours.vector_stores.delete(made.id)).deleted
    for call in (ours.vector_stores.retrieve, ours.vector_stores.delete):
        with pytest.raises(openai.NotFoundError):
            await call(made.id)


async def test_pages_go_forth_and_back(ours: openai.AsyncOpenAI) -> None:
    made = [(await ours.vector_stores.create(name=str(number))).id for number in range(5)]
    listed = ours.vector_stores.list

    first = await listed(limit=2, order="asc")
    second = await listed(limit=2, order="asc", after=made[1])
    back = await listed(limit=2, order="asc", before=made[3])

    assert [each.id for each in first.data] == made[:2]
    assert (first.has_more, second.has_more, back.has_more) == (True, True, True)
    assert [each.id for each in second.data] == made[2:4]
    assert [each.id for each in back.data] == made[1:3]
    assert [each.id async for each in listed(limit=2)] == made[::-1]
    with pytest.raises(openai.NotFoundError):
        await listed(after="vs_none")


async def test_a_file_is_read_indexed_and_found(ours: openai.AsyncOpenAI) -> None:
    file = await sent(ours, FALCON, "falcon.txt")
    store = await ours.vector_stores.create(name="products", file_ids=[file])
    assert (store.status, store.file_counts.in_progress) == ("in_progress", 1)
    found = await processed(ours, store.id, file)

    assert (found.status, found.last_error) == ("completed", None)
    assert found.usage_bytes == len(FALCON)
    assert found.chunking_strategy.static.max_chunk_size_tokens == 240
    ready = await ours.vector_stores.retrieve(store.id)
    assert (ready.status, ready.file_counts.completed) == ("completed", 1)
    assert ready.usage_bytes > len(FALCON)
    page = await ours.vector_stores.search(store.id, query="How long is the Falcon's warranty?")
    [passage] = page.data
    assert (passage.file_id, passage.filename) == (file, "falcon.txt")
    assert passage.content[0].text == FALCON
    assert 0 < passage.score <= 1
    content = ours.vector_stores.files.content(file, vector_store_id=store.id)
    assert [each.text async for each in content] == [FALCON]


async def test_a_search_is_filtered_ranked_and_cut(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    falcon = await stored(ours, store, FALCON, attributes={"year": 2026, "lang": "en"})
    harbor = await stored(ours, store, HARBOR, attributes={"year": 2016, "lang": "en"})

    async def found(query: str | list[str], **rest: object) -> list[str]:
        page = await ours.vector_stores.search(store, query=query, **rest)  # type: ignore[arg-type]
        return [each.file_id for each in page.data]

    assert (await found("warranty of the Falcon"))[0] == falcon
    assert (await found("sales of the Harbor"))[0] == harbor
    assert len(await found("the", max_num_results=1)) == 1
    assert await found("the", filters={"type": "lt", "key": "year", "value": 2020}) == [harbor]
    both = {"type": "and", "filters": [{"type": "eq", "key": "lang", "value": "de"}]}
    assert await found("the", filters=both) == []
    assert await found("zebra", ranking_options={"score_threshold": 0.9}) == []
    assert set(await found(["warranty", "sales"], rewrite_query=True)) == {falcon, harbor}
    raw = await ours.vector_stores.with_raw_response.search(store, query="the", rewrite_query=True)
    assert raw.headers["mobula-ignored"] == "rewrite_query"


async def test_attributes_may_change(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    file = await stored(ours, store, FALCON, attributes={"year": 2026})

    changed = await ours.vector_stores.files.update(
        file, vector_store_id=store, attributes={"year": 2027}
    )

    assert changed.attributes == {"year": 2027}
    for year, expected in ((2026, 0), (2027, 1)):
        page = await ours.vector_stores.search(
            store, query="Falcon", filters={"type": "eq", "key": "year", "value": year}
        )
        assert len(page.data) == expected
    [passage] = page.data
    assert passage.attributes == {"year": 2027}


async def test_a_file_that_is_taken_out_is_found_no_more(
    ours: openai.AsyncOpenAI, world: StoreWorld
) -> None:
    store = (await ours.vector_stores.create()).id
    file = await stored(ours, store, FALCON)

    assert (await ours.vector_stores.files.delete(file, vector_store_id=store)).deleted

    assert (await ours.vector_stores.search(store, query="Falcon")).data == []
    assert (await ours.vector_stores.retrieve(store)).file_counts.total == 0
    assert (await ours.files.retrieve(file)).id == file
    assert (await world.documents.ask("GET")).json()["data"] == []
    with pytest.raises(openai.NotFoundError):
        await ours.vector_stores.files.retrieve(file, vector_store_id=store)


async def test_files_of_the_same_bytes_are_one_document(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    first = await stored(ours, store, FALCON, attributes={"copy": 1})
    second = await stored(ours, store, FALCON, attributes={"copy": 2})

    await ours.vector_stores.files.delete(first, vector_store_id=store)

    [passage] = (await ours.vector_stores.search(store, query="Falcon")).data
    assert (passage.file_id, passage.attributes) == (second, {"copy": 2})
    await ours.vector_stores.files.delete(second, vector_store_id=store)
    assert (await ours.vector_stores.search(store, query="Falcon")).data == []


async def test_a_document_of_the_tenant_outlives_its_store(
    ours: openai.AsyncOpenAI, world: StoreWorld
) -> None:
    known = await world.documents.added(FALCON)
    store = (await ours.vector_stores.create()).id
    await stored(ours, store, FALCON)

    await ours.vector_stores.delete(store)

    kept = (await world.documents.ask("GET", f"/{known['id']}")).json()
    assert [place["collection"] for place in kept["collections"]] == [
        place["collection"] for place in known["collections"]
    ]


async def test_a_deleted_store_takes_its_own_documents_with_it(
    ours: openai.AsyncOpenAI, world: StoreWorld
) -> None:
    store = (await ours.vector_stores.create()).id
    await stored(ours, store, FALCON)
    await ours.vector_stores.delete(store)

    assert (await world.documents.ask("GET")).json()["data"] == []


async def test_a_file_that_is_no_document_says_why(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    file = await sent(ours, UNREADABLE)

    await ours.vector_stores.files.create(store, file_id=file)
    found = await processed(ours, store, file)

    assert found.status == "failed"
    assert found.last_error is not None
    assert (found.last_error.code, found.last_error.message) == (
        "invalid_file", "The document is damaged.",
    )  # fmt: skip
    assert (await ours.vector_stores.retrieve(store)).file_counts.failed == 1


async def test_a_file_may_be_cut_otherwise(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    text = " ".join(f"word{number}" for number in range(300))
    sizes = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}

    file = await stored(ours, store, text, chunking_strategy={"type": "static", "static": sizes})

    found = await ours.vector_stores.files.retrieve(file, vector_store_id=store)
    assert found.chunking_strategy.static.max_chunk_size_tokens == 100
    page = await ours.vector_stores.search(store, query="word7", max_num_results=50)
    assert len(page.data) == 4  # of 75 words each
    assert all(len(each.content[0].text.split()) <= 75 for each in page.data)


async def test_a_batch_ends_with_the_counts_of_its_files(ours: openai.AsyncOpenAI) -> None:
    store = (await ours.vector_stores.create()).id
    good = [await sent(ours, f"{FALCON} {number}") for number in range(3)]
    bad = await sent(ours, UNREADABLE)

    batch = await ours.vector_stores.file_batches.create_and_poll(
        store, file_ids=[*good, bad], attributes={"lot": 1}, poll_interval_ms=10
    )

    assert (batch.object, batch.status) == ("vector_store.files_batch", "completed")
    counts = batch.file_counts
    assert (counts.completed, counts.failed, counts.total) == (3, 1, 4)
    listed = ours.vector_stores.file_batches.list_files
    done = [
        each.id
        async for each in listed(batch.id, vector_store_id=store, filter="completed", limit=2)
    ]
    assert set(done) == set(good)
    [failed] = (await listed(batch.id, vector_store_id=store, filter="failed")).data
    assert (failed.id, failed.attributes) == (bad, {"lot": 1})


async def test_a_store_of_another_tenant_is_not_found(
    ours: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI
) -> None:
    store = (await ours.vector_stores.create()).id
    file = await stored(ours, store, FALCON)
    stores = theirs.vector_stores

    for call in (
        stores.retrieve(store),
        stores.update(store, name="theirs"),
        stores.delete(store),
        stores.search(store, query="Falcon"),
        stores.files.retrieve(file, vector_store_id=store),
        stores.files.delete(file, vector_store_id=store),
        stores.files.create(store, file_id=file),
        stores.file_batches.create(store, file_ids=[file]),
    ):
        with pytest.raises(openai.NotFoundError):
            await call
    mine = (await stores.create()).id
    with pytest.raises(openai.NotFoundError):
        await stores.files.create(mine, file_id=file)
    assert [each.id async for each in stores.list()] == [mine]


async def test_a_key_that_may_read_writes_nothing(world: StoreWorld) -> None:
    async with world.client() as ours, world.client(READER) as reader:
        store = (await ours.vector_stores.create()).id

        assert (await reader.vector_stores.retrieve(store)).id == store
        for call in (
            reader.vector_stores.create(),
            reader.vector_stores.delete(store),
            reader.vector_stores.file_batches.create(store, file_ids=["file-1"]),
        ):
            with pytest.raises(openai.PermissionDeniedError):
                await call
