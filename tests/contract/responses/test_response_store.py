"""Stored responses on both databases: chains, bounds of a tenant, expiry, what can be read."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from cluster.responses import store as stores
from cluster.responses.store import ResponseLimits, ResponseRecord, ResponseStore
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, NotFound
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.tables import stored_responses

MakeStore = Callable[..., ResponseStore]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make(database: Database, clock: ManualClock) -> MakeStore:
    def make(**limits: float) -> ResponseStore:
        given = ResponseLimits(**limits)  # type: ignore[arg-type]
        return ResponseStore(database, lambda t: t.encode().ljust(32, b"s"), clock, given)

    return make


@pytest.fixture
def store(make: MakeStore) -> ResponseStore:
    return make(retention_s=100.0)


def record(id: str, previous: str | None = None, size: int = 10) -> ResponseRecord:
    return ResponseRecord(id, previous, id.encode().ljust(size, b"."))


async def ids(store: ResponseStore, tenant: str, *asked: str) -> set[str]:
    return {found.id for found in await store.find(tenant, asked)}


async def test_a_record_comes_back_as_it_was_saved(store: ResponseStore) -> None:
    assert await store.save("acme", record("a"))

    assert await store.get("acme", "a") == record("a")


async def test_another_tenants_record_is_not_found(store: ResponseStore) -> None:
    await store.save("acme", record("a"))

    for work in (store.get, store.chain, store.delete):
        with pytest.raises(NotFound):
            await work("other", "a")
    assert await store.find("other", ["a"]) == []
    assert await ids(store, "acme", "a") == {"a"}


async def test_a_chain_is_in_order_and_ends_where_it_begins(store: ResponseStore) -> None:
    await store.save("acme", record("a"))
    await store.save("acme", record("b", "a"))
    await store.save("acme", record("c", "b"))
    await store.save("acme", record("other", "a"))

    assert [each.id for each in await store.chain("acme", "c")] == ["a", "b", "c"]
    assert [each.id for each in await store.chain("acme", "other")] == ["a", "other"]


async def test_a_chain_with_a_gap_is_not_continued(store: ResponseStore) -> None:
    await store.save("acme", record("a"))
    await store.save("acme", record("b", "a"))
    await store.delete("acme", "a")

    with pytest.raises(NotFound) as refused:
        await store.chain("acme", "b")
    assert refused.value.param == "previous_response_id"


async def test_a_chain_does_not_lead_to_another_tenant(store: ResponseStore) -> None:
    await store.save("other", record("a"))
    await store.save("acme", record("b", "a"))

    with pytest.raises(NotFound):
        await store.chain("acme", "b")


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        pytest.param("MAX_CHAIN", 2, id="responses"),
        pytest.param("MAX_CHAIN_BYTES", 25, id="bytes"),
    ],
)
async def test_a_chain_has_bounds(
    store: ResponseStore, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    monkeypatch.setattr(stores, name, limit)
    await store.save("acme", record("a"))
    await store.save("acme", record("b", "a"))
    assert len(await store.chain("acme", "b")) == 2
    await store.save("acme", record("c", "b"))

    with pytest.raises(InvalidRequest) as refused:
        await store.chain("acme", "c")
    assert refused.value.param == "previous_response_id"


async def test_a_continued_chain_lives_on_and_one_that_is_left_expires(
    store: ResponseStore, clock: ManualClock, database: Database
) -> None:
    await store.save("acme", record("left"))
    await store.save("acme", record("a"))
    clock.advance(60)
    await store.save("acme", record("b", "a"))
    clock.advance(60)

    assert await ids(store, "acme", "left", "a", "b") == {"a", "b"}
    with pytest.raises(NotFound):
        await store.get("acme", "left")
    with pytest.raises(NotFound):
        await store.delete("acme", "left")
    assert await store.prune() == 1
    clock.advance(40)
    assert await store.prune() == 2
    async with database.read() as connection:
        counted = await connection.execute(select(func.count()).select_from(stored_responses))
        assert counted.scalar_one() == 0


@pytest.mark.parametrize(
    "limits",
    [pytest.param({"max_count": 3}, id="count"), pytest.param({"max_bytes": 30}, id="bytes")],
)
async def test_the_ones_that_expire_first_make_room_for_new_ones(
    make: MakeStore, clock: ManualClock, limits: dict[str, float]
) -> None:
    store = make(retention_s=100.0, **limits)
    await store.save("other", record("a"))
    for id in "abcde":
        clock.advance(1)
        await store.save("acme", record(id))

    assert await ids(store, "acme", *"abcde") == {"c", "d", "e"}
    assert await ids(store, "other", "a") == {"a"}


async def test_a_record_larger_than_all_of_a_tenants_room_is_not_stored(make: MakeStore) -> None:
    store = make(max_bytes=30)
    await store.save("acme", record("a"))

    assert not await store.save("acme", record("b", size=31))
    assert await ids(store, "acme", "a", "b") == {"a"}


async def test_no_retention_stores_nothing(make: MakeStore) -> None:
    store = make(retention_s=0.0)

    assert not await store.save("acme", record("a"))
    assert await ids(store, "acme", "a") == set()


async def test_content_moved_to_another_row_does_not_open(
    store: ResponseStore, database: Database
) -> None:
    await store.save("acme", record("a"))
    await store.save("acme", record("b"))
    rows = stored_responses
    async with database.begin() as connection:
        first = select(rows.c.content).where(rows.c.id == "a").scalar_subquery()
        await connection.execute(update(rows).where(rows.c.id == "b").values(content=first))

    with pytest.raises(DatabaseUnavailable):
        await store.get("acme", "b")


async def test_pruners_do_not_stand_in_each_others_way(
    store: ResponseStore, clock: ManualClock
) -> None:
    for number in range(40):
        await store.save("acme", record(f"r{number}"))
    clock.advance(100)

    assert sum(await asyncio.gather(*(store.prune() for _ in range(4)))) == 40


async def test_expired_rows_go_by_themselves(
    store: ResponseStore, clock: ManualClock, database: Database
) -> None:
    await store.save("acme", record("a"))
    clock.advance(100)
    await store.start()
    counted = select(func.count()).select_from(stored_responses)
    async with asyncio.timeout(60):
        while True:
            async with database.read() as connection:
                if (await connection.execute(counted)).scalar_one() == 0:
                    break
            await asyncio.sleep(0.01)
    await store.close()


async def test_a_record_whose_caller_leaves_is_written_to_the_end(store: ResponseStore) -> None:
    saving = asyncio.create_task(store.save("acme", record("a")))
    await asyncio.sleep(0)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving

    assert await ids(store, "acme", "a") == {"a"}


async def test_a_database_that_is_away_stores_nothing_and_says_so(clock: ManualClock) -> None:
    away = Database("postgresql+asyncpg://nobody@/nothing?host=/nowhere")
    store = ResponseStore(away, lambda _: b"s" * 32, clock, ResponseLimits())

    assert not await store.save("acme", record("a"))
    with pytest.raises(DatabaseUnavailable):
        await store.get("acme", "a")
    await away.close()


@pytest.mark.parametrize("id", ["", "a\0b", "a" * 81, "' OR 1=1 --", "ä"])
async def test_text_that_is_no_id_is_not_found(store: ResponseStore, id: str) -> None:
    for work in (store.get, store.chain, store.delete):
        with pytest.raises(NotFound):
            await work("acme", id)
