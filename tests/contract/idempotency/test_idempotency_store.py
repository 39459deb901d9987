"""One run under one key: whatever crashes, comes late, comes at once or belongs to another."""

import asyncio
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text, update

from cluster.idempotency.store import (
    MAX_BYTES,
    RETENTION_S,
    IdempotencyLease,
    IdempotencyStore,
    IdempotentRequest,
    StoredResponse,
)
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, IdempotencyKeyReused
from cluster.runtime.settings import ROOT
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.tables import idempotency_keys
from cluster.tenants.caller import Caller

LEASE_S = 60.0
ANSWER = b'{"choices": ["a secret caption"]}'
ACME = Caller("acme", "key1", frozenset())
ASKED = IdempotentRequest(ACME, "chat", "order-17", b'{"topic": "a secret plan"}')
OTHER_BODY = replace(ASKED, payload=b"another")


async def leased(store: IdempotencyStore, asked: IdempotentRequest = ASKED) -> IdempotencyLease:
    begun = await store.begin(asked, LEASE_S)
    assert isinstance(begun, IdempotencyLease)
    return begun


async def rows(database: Database) -> int:
    async with database.read() as connection:
        counted = await connection.execute(select(func.count()).select_from(idempotency_keys))
        return int(counted.scalar_one())


async def test_the_first_runs_and_everybody_after_it_gets_its_answer(
    store: IdempotencyStore, replica: IdempotencyStore
) -> None:
    lease = await leased(store)

    assert await store.save(lease, 200, ANSWER)

    for each in (store, replica):
        assert await each.begin(ASKED, LEASE_S) == StoredResponse(200, ANSWER)


async def test_a_client_that_leaves_while_its_key_is_taken_frees_it(
    store: IdempotencyStore, replica: IdempotencyStore
) -> None:
    for moment in range(40):
        asked = replace(ASKED, key=f"order-{moment}")
        leaving = asyncio.create_task(store.begin(asked, LEASE_S))
        await asyncio.sleep(moment * 0.0002)
        leaving.cancel()
        await asyncio.wait((leaving,))
        if leaving.cancelled():
            await leased(replica, asked)  # raises Conflict where the key is taken


async def test_while_the_first_runs_the_others_are_told_to_wait(
    store: IdempotencyStore, replica: IdempotencyStore
) -> None:
    await leased(store)

    with pytest.raises(Conflict) as refused:
        await replica.begin(ASKED, LEASE_S)
    assert refused.value.headers == {"Retry-After": "1"}
    assert refused.value.param == "Idempotency-Key"


async def test_the_key_stands_for_one_request_while_it_runs_and_after(
    store: IdempotencyStore,
) -> None:
    lease = await leased(store)
    with pytest.raises(IdempotencyKeyReused):
        await store.begin(OTHER_BODY, LEASE_S)
    await store.save(lease, 200, ANSWER)

    with pytest.raises(IdempotencyKeyReused):
        await store.begin(OTHER_BODY, LEASE_S)


async def test_of_many_at_once_on_two_replicas_one_runs(
    store: IdempotencyStore, replica: IdempotencyStore
) -> None:
    asked = [each.begin(ASKED, LEASE_S) for each in (store, replica) for _ in range(32)]

    ends = await asyncio.gather(*asked, return_exceptions=True)

    assert sorted(type(end).__name__ for end in ends) == ["Conflict"] * 63 + ["IdempotencyLease"]


async def test_a_release_lets_the_next_run_whatever_it_says(store: IdempotencyStore) -> None:
    await store.release(await leased(store))

    assert await leased(store, OTHER_BODY)


async def test_a_crash_frees_the_key_when_its_lease_ends(
    store: IdempotencyStore, replica: IdempotencyStore, clock: ManualClock
) -> None:
    await leased(store)

    clock.advance(LEASE_S - 1)
    with pytest.raises(Conflict):
        await replica.begin(ASKED, LEASE_S)
    clock.advance(1)
    with pytest.raises(IdempotencyKeyReused):
        await replica.begin(OTHER_BODY, LEASE_S)
    assert await leased(replica)


async def test_a_process_that_was_killed_holds_nothing_but_its_lease(
    store: IdempotencyStore, url: str, clock: ManualClock
) -> None:
    code = f"""
import asyncio, os, signal
from cluster.runtime.clock import ManualClock
from cluster.idempotency.store import IdempotencyStore
from cluster.storage.database import Database
from tests.contract.idempotency.conftest import secret_of
from tests.contract.idempotency.test_idempotency_store import ASKED, LEASE_S
async def main():
    store = IdempotencyStore(Database({url!r}), secret_of, ManualClock())
    await store.begin(ASKED, LEASE_S)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    process = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], cwd=ROOT)
    assert process.returncode == -9

    with pytest.raises(Conflict):
        await store.begin(ASKED, LEASE_S)
    clock.advance(LEASE_S)
    await store.save(await leased(store), 200, ANSWER)
    assert await store.begin(ASKED, LEASE_S) == StoredResponse(200, ANSWER)


async def test_a_first_that_comes_back_late_overwrites_nothing(
    store: IdempotencyStore, replica: IdempotencyStore, clock: ManualClock
) -> None:
    late = await leased(store)
    clock.advance(LEASE_S)
    second = await leased(replica)

    assert not await store.save(late, 200, b"late")
    await store.release(late)
    assert await replica.save(second, 200, ANSWER)
    assert not await store.save(late, 200, b"later")

    assert await store.begin(ASKED, LEASE_S) == StoredResponse(200, ANSWER)


async def test_a_late_first_does_not_end_a_run_that_began_after_a_release(
    store: IdempotencyStore, clock: ManualClock
) -> None:
    late = await leased(store)
    clock.advance(LEASE_S)
    await store.release(await leased(store))
    third = await leased(store)

    assert not await store.save(late, 200, b"late")
    assert await store.save(third, 200, ANSWER)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(ASKED, caller=replace(ACME, tenant="other")), id="tenant"),
        pytest.param(replace(ASKED, caller=replace(ACME, key_id="key2")), id="credential"),
        pytest.param(replace(ASKED, caller=replace(ACME, kind="user")), id="kind of credential"),
        pytest.param(replace(ASKED, route="captions"), id="route"),
        pytest.param(replace(ASKED, key="order-18"), id="key"),
    ],
)
async def test_another_s_key_is_another_key(
    store: IdempotencyStore, other: IdempotentRequest
) -> None:
    await store.save(await leased(store), 200, ANSWER)

    assert await leased(store, other)


async def test_names_cannot_be_shifted_into_each_other(store: IdempotencyStore) -> None:
    await leased(store, replace(ASKED, route="a", key="bc"))

    assert await leased(store, replace(ASKED, route="ab", key="c"))


async def test_nothing_in_the_store_can_be_read(
    store: IdempotencyStore, database: Database
) -> None:
    await store.save(await leased(store), 200, ANSWER)

    async with database.read() as connection:
        row = (await connection.execute(select(idempotency_keys))).one()
    held = b"".join(str(v).encode() if not isinstance(v, bytes) else v for v in row)
    for secret in (b"secret", b"order-17", b"key1", b"chat"):
        assert secret not in held


async def test_an_answer_moved_to_another_row_does_not_open(
    store: IdempotencyStore, database: Database
) -> None:
    await store.save(await leased(store), 200, ANSWER)
    other = replace(ASKED, key="order-18")
    await store.save(await leased(store, other), 200, b"another answer")
    async with database.begin() as connection:
        first = (await connection.execute(select(idempotency_keys.c.answer))).scalars().all()[0]
        await connection.execute(update(idempotency_keys).values(answer=first))

    ends = [await asyncio.gather(store.begin(a, 1), return_exceptions=True) for a in (ASKED, other)]

    assert sum(isinstance(end, DatabaseUnavailable) for [end] in ends) == 1


async def test_an_answer_over_the_limit_is_not_kept_and_one_at_it_is(
    store: IdempotencyStore,
) -> None:
    assert not await store.save(await leased(store), 200, b"x" * (MAX_BYTES + 1))
    assert await store.save(await leased(store), 200, b"x" * MAX_BYTES)

    assert await store.begin(ASKED, LEASE_S) == StoredResponse(200, b"x" * MAX_BYTES)


async def test_answers_are_kept_for_a_day_and_then_removed(
    store: IdempotencyStore, database: Database, clock: ManualClock
) -> None:
    await store.save(await leased(store), 200, ANSWER)
    clock.advance(RETENTION_S - 1)
    assert await store.prune() == 0
    assert await store.begin(ASKED, LEASE_S) == StoredResponse(200, ANSWER)
    await leased(store, replace(ASKED, key="young"))

    clock.advance(1)

    assert await store.prune() == 1
    assert await rows(database) == 1


async def test_what_expired_but_is_not_yet_removed_is_forgotten(
    store: IdempotencyStore, clock: ManualClock
) -> None:
    await store.save(await leased(store), 200, ANSWER)
    clock.advance(RETENTION_S)

    lease = await leased(store, OTHER_BODY)
    await store.save(lease, 200, b"new")

    assert await store.begin(OTHER_BODY, LEASE_S) == StoredResponse(200, b"new")


async def test_pruners_of_two_replicas_do_not_stand_in_each_other_s_way(
    store: IdempotencyStore, replica: IdempotencyStore, database: Database, clock: ManualClock
) -> None:
    for index in range(40):
        await leased(store, replace(ASKED, key=f"k{index}"))
    clock.advance(RETENTION_S)

    removed = await asyncio.gather(*(each.prune() for each in (store, replica) for _ in range(4)))

    assert sum(removed) == 40
    assert await rows(database) == 0


async def test_expired_rows_go_by_themselves(
    store: IdempotencyStore, database: Database, clock: ManualClock
) -> None:
    await leased(store)
    clock.advance(RETENTION_S)
    await store.start()
    async with asyncio.timeout(60):
        while await rows(database):  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)
    await store.close()


async def test_what_is_written_when_its_caller_is_cancelled_is_written_to_the_end(
    store: IdempotencyStore,
) -> None:
    lease = await leased(store)
    keeping = asyncio.create_task(store.save(lease, 200, ANSWER))
    await asyncio.sleep(0)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    await store.close()

    assert await store.begin(ASKED, LEASE_S) == StoredResponse(200, ANSWER)


async def test_a_store_that_is_down_lets_nothing_run_and_fails_no_answer(
    store: IdempotencyStore, database: Database, clock: ManualClock
) -> None:
    lease = await leased(store)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE idempotency_keys RENAME TO gone"))
    assert not await store.save(lease, 200, ANSWER)
    await store.release(lease)

    away = Database("postgresql+asyncpg://nobody@/nothing?host=/nowhere")
    with pytest.raises(DatabaseUnavailable):
        await IdempotencyStore(away, lambda _: b"s" * 32, clock).begin(ASKED, LEASE_S)
    await away.close()
