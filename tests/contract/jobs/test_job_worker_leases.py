"""A worker's leases: renewed while it works, lost when the store is away or another has the job."""

import asyncio

import pytest
from sqlalchemy import select

from cluster.storage.database import DatabaseUnavailable
from cluster.storage.tables import jobs
from deployments.contracts.jobs import JobContext, JobResult
from deployments.jobs.worker import WorkerTimings
from tests.contract.jobs.office import LEASE_S, Office, answer, until
from tests.contract.jobs.working import ended, forever, working


async def test_a_lease_is_renewed_while_a_handler_works(office: Office) -> None:
    made = await office.add()
    async with working(office, forever) as (_, doing):
        await until(lambda: len(doing.begun) == 1)
        for _ in range(6):
            office.clock.advance(LEASE_S / 3)
            await _renewed(office)
        assert await office.nothing_to_claim()
        assert doing.cancelled == []

    assert (await office.store.get("acme", made.id)).attempts == 0


async def _renewed(office: Office) -> None:
    """Until every lease is good for its whole time again."""

    async def until_when() -> float | None:
        async with office.database.read() as connection:
            return (await connection.execute(select(jobs.c.leased))).scalar_one()

    await answer(until_when, lambda leased: leased == office.clock.wall() + LEASE_S)


async def test_a_job_that_another_took_over_is_let_go(office: Office) -> None:
    made = await office.add()
    async with working(office, forever, pace=WorkerTimings(0.005, 0.01, 60.0, 60.0)) as (
        worker,
        doing,
    ):
        await until(lambda: len(doing.begun) == 1)
        office.clock.advance(LEASE_S)  # it was asleep
        other = await office.claim("w2")
        await worker._beat()
        await until(lambda: doing.cancelled == [made.id])
        await until(lambda: worker.running == ())

        assert (await office.store.renew(other, LEASE_S)).job.state == "running"


async def test_while_the_store_is_away_handlers_go_on_until_their_lease_ends(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await office.add()
    async with working(office, forever) as (worker, doing):
        await until(lambda: len(doing.begun) == 1)
        _go_away(office, monkeypatch)
        office.clock.advance(LEASE_S - 1)
        await asyncio.sleep(0.1)
        assert doing.cancelled == []

        office.clock.advance(1)
        await until(lambda: doing.cancelled == [made.id])
        monkeypatch.undo()
        await until(lambda: len(doing.begun) == 2)  # it is back, and takes the job up again

    assert (await office.store.get("acme", made.id)).attempts == 1


async def test_a_lost_lease_is_not_renewed_while_its_handler_still_ends(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.add()
    finish = asyncio.Event()

    async def slow_to_end(work: JobContext) -> JobResult:
        try:
            return await forever(work)
        finally:
            await finish.wait()

    by_hand = WorkerTimings(0.005, 0.01, 60.0, 60.0)
    async with working(office, slow_to_end, pace=by_hand) as (worker, doing):
        await until(lambda: len(doing.begun) == 1)
        _go_away(office, monkeypatch)
        office.clock.advance(LEASE_S)
        with pytest.raises(DatabaseUnavailable):
            await worker._beat()
        monkeypatch.undo()
        await worker._beat()

        other = await office.claim("w2")

        assert other.fence == 2
        finish.set()


async def test_an_end_is_written_when_the_store_is_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.jobs.attempt.PAUSE_S", 0.01)
    ready = asyncio.Event()

    async def wait(work: JobContext) -> JobResult:
        await ready.wait()
        await work.report("render", 50)
        await work.checkpoint("analysis", 1)
        return JobResult("succeeded")

    made = await office.add()
    async with working(office, wait) as (_, doing):
        await until(lambda: len(doing.begun) == 1)
        _go_away(office, monkeypatch)
        ready.set()
        await asyncio.sleep(0.1)
        monkeypatch.undo()
        assert await ended(office, made.id) == "succeeded"

    assert await office.told() == [("acme", "job.succeeded")]


def _go_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> object:
        raise DatabaseUnavailable

    monkeypatch.setattr(office.database, "begin", away)
    monkeypatch.setattr(office.database, "read", away)
