"""Vector stores as the database has them: how files stand, pages, and what goes with a store."""

import pytest
from sqlalchemy import func, select

from cluster.collections.model import CollectionDraft
from cluster.collections.repository import CollectionRepository
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import NotFound
from cluster.storage.database import Database
from cluster.storage.tables import vector_store_batches, vector_store_files, vector_stores
from deployments.documents.model import DocumentPlace, NewPlace, TenantDocument
from deployments.documents.store import DocumentStore
from deployments.vector_stores.model import NewStoreFile
from deployments.vector_stores.paging import PageWish
from deployments.vector_stores.store import VectorStoreRepository

DAMAGED = {"status": 400, "detail": "It is damaged."}


async def store_of(database: Database, clock: ManualClock, tenant: str = "acme") -> str:
    async with database.begin() as connection:
        collections = CollectionRepository(clock)
        made = await collections.create(connection, tenant, "k", CollectionDraft())
        stores = VectorStoreRepository(clock)
        await stores.add(connection, tenant, made.id, "handbook", {"team": "support"})
        return made.id


async def test_how_a_file_stands_is_said_by_its_document_and_its_place(
    database: Database, clock: ManualClock
) -> None:
    store, stores, documents = (
        await store_of(database, clock), VectorStoreRepository(clock), DocumentStore(clock),
    )  # fmt: skip
    names = [f"file-{letter}" for letter in "abcdef"]
    async with database.begin() as connection:
        new = [NewStoreFile(name, f"{name}.txt") for name in names]
        await stores.put(connection, "acme", "k", store, new, "no-such-job", None)
        for name, state in (("a", "indexed"), ("b", "readable"), ("c", "failed")):
            document = TenantDocument(
                f"doc_{name}", "acme", "k", name, name * 64, state, 0.0, 0.0,  # type: ignore[arg-type]
                bytes=7, problem=DAMAGED if name == "c" else None,
            )  # fmt: skip
            await documents.add(connection, document)
            await documents.place(connection, "acme", document.id, NewPlace(store))
            file = f"file-{name}"
            await stores.set_file(connection, "acme", store, file, document=document.id)
        place = DocumentPlace(store, "indexed", 1, {})
        await documents.set_place(connection, "acme", "doc_a", place)
        await stores.set_file(connection, "acme", store, "file-d", document="doc_gone")
        await stores.set_file(connection, "acme", store, "file-e", state="cancelled")

    async with database.read() as connection:
        found, _ = await stores.files(connection, "acme", store, PageWish(order="asc"))
        shown = await stores.get(connection, "acme", store)
        failed, _ = await stores.files(connection, "acme", store, PageWish(), status="failed")
    assert {each.file[-1]: each.status for each in found} == {
        "a": "completed",
        "b": "failed",  # it waits, and no job is there
        "c": "failed",
        "d": "failed",
        "e": "cancelled",
        "f": "failed",
    }
    assert shown.counts == {"in_progress": 0, "completed": 1, "failed": 4, "cancelled": 1}
    assert sorted(each.file[-1] for each in failed) == ["b", "c", "d", "f"]
    errors = {each.file[-1]: each.error for each in found}
    assert errors["a"] is None
    assert errors["c"] == {"code": "invalid_file", "message": "It is damaged."}
    assert errors["d"] == {"code": "server_error", "message": "Its document was deleted."}
    assert next(each.bytes for each in found if each.status == "completed") == 7


async def test_pages_are_in_order_also_within_one_instant(
    database: Database, clock: ManualClock
) -> None:
    made = sorted([await store_of(database, clock) for _ in range(5)])
    stores = VectorStoreRepository(clock)

    async with database.read() as connection:
        first, more = await stores.page(connection, "acme", PageWish(2, "asc"))
        last, end = await stores.page(connection, "acme", PageWish(9, "asc", after=first[-1].id))
        back, _ = await stores.page(connection, "acme", PageWish(2, "desc", before=made[0]))
        with pytest.raises(NotFound):
            await stores.page(connection, "other", PageWish(2, after=made[0]))
    assert [each.id for each in (*first, *last)] == made
    assert (more, end) == (True, False)
    assert [each.id for each in back] == [made[2], made[1]]


async def test_files_and_batches_go_with_their_collection(
    database: Database, clock: ManualClock
) -> None:
    store, stores = await store_of(database, clock), VectorStoreRepository(clock)
    async with database.begin() as connection:
        batch = await stores.add_batch(connection, "acme", store)
        await stores.put(connection, "acme", "k", store, [NewStoreFile("f", "f")], "j", batch)
    async with database.begin() as connection:
        await CollectionRepository(clock).delete(connection, "acme", store)

    async with database.read() as connection:
        for table in (vector_stores, vector_store_files, vector_store_batches):
            count = select(func.count()).select_from(table)
            assert (await connection.execute(count)).scalar_one() == 0


async def test_another_tenant_finds_nothing_of_it(database: Database, clock: ManualClock) -> None:
    store, stores = await store_of(database, clock), VectorStoreRepository(clock)
    async with database.begin() as connection:
        batch = await stores.add_batch(connection, "acme", store)
        await stores.put(connection, "acme", "k", store, [NewStoreFile("f", "f")], "j", batch)

    async with database.begin() as connection:
        for call in (
            stores.get(connection, "other", store),
            stores.file(connection, "other", store, "f"),
            stores.batch(connection, "other", store, batch),
            stores.change(connection, "other", store, name="theirs"),
        ):
            with pytest.raises(NotFound):
                await call
        assert not await stores.set_file(connection, "other", store, "f", state="failed")
        assert await stores.present(connection, "other", store, ["f"]) == []
