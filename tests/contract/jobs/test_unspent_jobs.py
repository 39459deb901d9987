"""Jobs that used nothing are told to one asker, once."""

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.jobs import JobResult
from deployments.jobs.completion import has_refundable, take_refundable
from tests.contract.jobs.office import KIND, Office


async def test_a_job_that_failed_or_was_cancelled_is_told_once(office: Office) -> None:
    canceled, *_ = await office.add(), await office.add(), await office.add()
    await office.store.cancel(canceled.tenant, canceled.id)
    failed, done = await office.claim(), await office.claim()
    await office.store.fail(failed, InvalidRequest("It cannot be."))
    await office.store.finish(done, JobResult("succeeded"))

    async with office.database.begin() as connection:
        told = [job.id for job in await take_refundable(connection, KIND, 0.0)]
        again = await take_refundable(connection, KIND, 0.0)
    assert sorted(told) == sorted([failed.job.id, canceled.id])
    assert done.job.id not in told
    assert again == []


async def test_one_that_ended_before_is_not_told(office: Office) -> None:
    job = await office.add()
    await office.store.cancel(job.tenant, job.id)

    async with office.database.read() as connection:
        assert await has_refundable(connection, KIND, office.clock.wall() - 1)
        assert not await has_refundable(connection, KIND, office.clock.wall() + 1)
