"""How jobs end: once, with one charge and one event, whatever happens around it."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import InvalidRequest, NotFound, Overloaded, Problem, RateLimited
from cluster.tenants.units import UsageAmounts
from cluster.usage.entries import UsageEntry
from deployments.contracts.jobs import Job, JobResult, LeaseLost
from deployments.jobs.completion import JobCompletion
from tests.contract.jobs.office import LEASE_S, Office


def charge(office: Office, seconds: int = 90) -> UsageEntry:
    amounts = UsageAmounts(video_seconds=seconds)
    return UsageEntry(office.clock.wall(), "acme", "key1", "clipper", amounts, cost_units=7)


async def test_a_good_end_keeps_the_result_charges_and_tells(office: Office) -> None:
    made = await office.add(subject="vid_1", keep_s=3_600.0)
    lease = await office.claim()
    await office.store.checkpoint(lease, "analysis", {"a": 1})
    office.clock.advance(5)

    ended = await office.store.finish(lease, JobResult("partial", {"clips": 3}, charge(office)))

    assert (ended.state, ended.percent, ended.result) == ("partial", 100.0, {"clips": 3})
    assert ended.ended == office.clock.wall()
    assert ended.expires == office.clock.wall() + 3_600.0
    assert await office.charged() == {"requests": 1, "video_seconds": 90, "cost_units": 7}
    assert await office.told() == [("acme", "job.partial")]
    assert await office.kinds(made) == ["queued", "started", "partial"]
    assert await office.store.checkpoints(lease) == {}


async def test_two_that_finish_at_once_are_charged_once(office: Office) -> None:
    await office.add()
    lease = await office.claim()
    result = JobResult("succeeded", {}, charge(office))

    ends = await asyncio.gather(
        *(office.store.finish(lease, result) for _ in range(8)), return_exceptions=True
    )

    assert [type(end) for end in ends].count(LeaseLost) == 7
    assert (await office.charged())["video_seconds"] == 90


async def test_charges_of_jobs_add_up_in_the_ledger(office: Office) -> None:
    for _ in range(3):
        await office.add()
        await office.store.finish(
            await office.claim(), JobResult("succeeded", {}, charge(office, seconds=10))
        )

    assert await office.charged() == {"requests": 3, "video_seconds": 30, "cost_units": 21}


async def test_an_end_that_cannot_be_written_whole_is_not_written(office: Office) -> None:
    made = await office.add()
    lease = await office.claim()

    async def also(connection: AsyncConnection) -> None:
        raise Overloaded("no")

    with pytest.raises(Overloaded):
        await office.store.finish(lease, JobResult("succeeded", {}, charge(office)), also)

    assert (await office.store.get("acme", made.id)).state == "running"
    assert await office.charged() == {}
    assert await office.told() == []


async def test_a_fault_of_the_caller_s_ends_the_job(office: Office) -> None:
    made = await office.add()

    ended = await office.store.fail(await office.claim(), InvalidRequest("Not a video."))

    assert (ended.state, ended.attempts) == ("failed", 1)
    assert ended.problem == {
        "slug": "invalid-request",
        "title": "Invalid request",
        "status": 400,
        "detail": "Not a video.",
        "retryable": False,
    }
    assert await office.told() == [("acme", "job.failed")]
    assert await office.kinds(made) == ["queued", "started", "failed"]


async def test_other_faults_are_tried_again_later_and_later(office: Office) -> None:
    made = await office.add(max_attempts=3)
    pauses = []
    for attempt in (1, 2):
        waits = await office.store.fail(await office.claim(), Problem("Broken."))
        assert (waits.state, waits.attempts) == ("queued", attempt)
        assert waits.problem is not None
        assert waits.problem["retryable"]
        pauses.append((await office.store.events("acme", made.id))[-1].data["in_s"])
        office.clock.advance(pauses[-1] - 0.01)
        assert await office.nothing_to_claim()
        office.clock.advance(0.02)

    ended = await office.store.fail(await office.claim(), Problem("Broken."))

    assert 2.0 <= pauses[0] <= 2.5
    assert 4.0 <= pauses[1] <= 5.0
    assert ended.state == "failed"
    assert ended.problem is not None
    assert not ended.problem["retryable"]
    assert await office.told() == [("acme", "job.failed")]


async def test_a_refusal_that_passes_by_itself_is_waited_for(office: Office) -> None:
    made = await office.add()

    waits = await office.store.fail(await office.claim(), RateLimited("Busy.", 40.0, "tokens"))

    assert waits.state == "queued"
    assert (await office.store.events("acme", made.id))[-1].data["in_s"] >= 40.0


async def test_a_job_that_nobody_runs_is_canceled_at_once(office: Office) -> None:
    waiting = await office.add()
    assert (await office.store.cancel("acme", waiting.id)).state == "canceled"
    lost = await office.add()
    await office.claim()
    office.clock.advance(LEASE_S)

    assert (await office.store.cancel("acme", lost.id)).state == "canceled"
    assert await office.nothing_to_claim()
    assert await office.told() == [("acme", "job.canceled")] * 2


async def test_the_worker_of_a_running_job_is_asked_and_ends_it(office: Office) -> None:
    made = await office.add()
    lease = await office.claim()

    asked = await office.store.cancel("acme", made.id)

    assert (asked.state, asked.cancel_asked) == ("running", True)
    assert await office.store.check([lease]) == {(made.id, 1): True}
    assert (await office.store.renew(lease, LEASE_S)).job.cancel_asked
    assert (await office.store.confirm_cancel(lease)).state == "canceled"
    assert await office.kinds(made) == ["queued", "started", "canceled"]


async def test_cancelling_may_be_repeated_and_an_ended_job_stays_ended(office: Office) -> None:
    made = await office.add()
    lease = await office.claim()
    asked = await office.store.cancel("acme", made.id)

    assert await office.store.cancel("acme", made.id) == asked
    done = await office.store.finish(lease, JobResult("succeeded"))
    assert await office.store.cancel("acme", made.id) == done
    assert await office.told() == [("acme", "job.succeeded")]


async def test_a_canceled_job_is_not_tried_again_whatever_its_worker_does(office: Office) -> None:
    for how in ("fails", "closes", "dies"):
        made = await office.add()
        lease = await office.claim()
        await office.store.cancel("acme", made.id)
        if how == "fails":
            await office.store.fail(lease, Problem("Broken."))
        elif how == "closes":
            await office.store.release(lease)
        else:
            office.clock.advance(LEASE_S)
            assert await office.nothing_to_claim()

        assert (await office.store.get("acme", made.id)).state == "canceled", how


async def test_progress_never_goes_back(office: Office) -> None:
    made = await office.add()
    lease = await office.claim()

    said = [
        (await office.store.report(lease, "render", percent)).percent
        for percent in (10.0, 5.0, float("nan"), -1.0, 60.0, 1e9)
    ]

    assert said == [10.0, 10.0, 10.0, 10.0, 60.0, 100.0]
    versions = [event.seq for event in await office.store.events("acme", made.id)]
    assert versions == list(range(1, 9))


async def test_a_part_that_is_ready_is_told_of_once(office: Office) -> None:
    made = await office.add(subject="vid_1")
    lease = await office.claim()
    seen: list[str] = []

    async def also(connection: AsyncConnection) -> None:
        seen.append("also")

    await office.store.set_part(lease, 2, "planned", {"start": 1.0})
    await office.store.set_part(lease, 1, "running", {})
    for _ in range(2):
        await office.store.set_part(lease, 1, "ready", {"title": "First"}, also)

    parts = await office.store.parts("acme", made.id)
    assert [(part.number, part.state, part.data) for part in parts] == [
        (1, "ready", {"title": "First"}),
        (2, "planned", {"start": 1.0}),
    ]
    assert await office.told() == [("acme", "clip.ready")]
    assert seen == ["also"] * 2


async def test_whoever_reserved_something_hears_of_every_end_in_its_transaction(
    office: Office,
) -> None:
    heard: list[tuple[str, str]] = []

    async def at_end(connection: AsyncConnection, job: Job) -> None:
        heard.append((job.id, job.state))

    office.store._completion = JobCompletion(office.clock, at_end)
    done, failed, canceled, dead = [await office.add(max_attempts=1) for _ in range(4)]
    await office.store.cancel("acme", canceled.id)
    for _ in range(3):
        lease = await office.claim()
        if lease.job.id == done.id:
            await office.store.finish(lease, JobResult("succeeded"))
        elif lease.job.id == failed.id:
            await office.store.fail(lease, InvalidRequest("no"))
    office.clock.advance(LEASE_S)
    assert await office.nothing_to_claim()

    assert sorted(heard) == sorted(
        [
            (done.id, "succeeded"),
            (failed.id, "failed"),
            (canceled.id, "canceled"),
            (dead.id, "failed"),
        ]
    )


async def test_another_tenant_s_job_cannot_be_canceled(office: Office) -> None:
    made = await office.add("acme")

    with pytest.raises(NotFound):
        await office.store.cancel("other", made.id)

    assert (await office.store.get("acme", made.id)).state == "queued"
