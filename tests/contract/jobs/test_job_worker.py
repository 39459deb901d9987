"""Workers: they run what they claim, notice what is cancelled, give back what they cannot end."""

import asyncio

import pytest
from sqlalchemy import select

from cluster.metrics.catalogue import jobs
from cluster.metrics.metric import Metric
from cluster.metrics.series import LabelValues
from cluster.runtime.logging import logged_request
from cluster.runtime.problems import InvalidRequest, Problem
from cluster.storage.tables import events
from cluster.tracing.log_context import current_traceparent
from deployments.contracts.jobs import JobContext, JobResult
from deployments.jobs.job_trace import job_trace
from deployments.jobs.worker import JobWorker, WorkerTimings
from tests.contract.jobs.office import Office, answer, until
from tests.contract.jobs.working import at_once, ended, failed_once, forever, working


async def test_jobs_are_run_to_their_ends(office: Office) -> None:
    made = [await office.add() for _ in range(3)]

    async with working(office, at_once):
        assert [await ended(office, job.id) for job in made] == ["succeeded"] * 3

    assert (await office.store.get("acme", made[0].id)).result == {"fence": 1}


async def test_no_more_jobs_run_at_once_than_the_worker_may(office: Office) -> None:
    for _ in range(4):
        await office.add()

    async with working(office, forever, concurrency=2) as (worker, doing):
        await until(lambda: len(doing.begun) == 2)
        await until(lambda: len(worker.running) == 2)
        await asyncio.sleep(0.05)
        assert len(doing.begun) == 2


async def test_a_worker_that_is_woken_does_not_wait_for_its_poll(office: Office) -> None:
    lazy = WorkerTimings(poll_s=60.0, slowest_s=60.0, beat_s=60.0, sweep_s=60.0)

    async with working(office, at_once, pace=lazy) as (worker, doing):
        await asyncio.sleep(0.05)
        made = await office.add()
        worker.wake()
        assert await ended(office, made.id) == "succeeded"
        second = await office.add()
        worker.wake()
        assert await ended(office, second.id) == "succeeded"


async def test_a_canceled_job_s_handler_is_cancelled_and_it_ends(office: Office) -> None:
    made = await office.add()

    async with working(office, forever) as (_, doing):
        await until(lambda: len(doing.begun) == 1)
        await office.store.cancel("acme", made.id)
        assert await ended(office, made.id) == "canceled"

    assert doing.cancelled == [made.id]


async def test_what_a_handler_raises_when_it_is_cancelled_does_not_matter(office: Office) -> None:
    async def sour(work: JobContext) -> JobResult:
        try:
            return await forever(work)
        except asyncio.CancelledError:
            raise RuntimeError("child was killed") from None

    made = await office.add()
    async with working(office, sour) as (_, doing):
        await until(lambda: len(doing.begun) == 1)
        await office.store.cancel("acme", made.id)
        assert await ended(office, made.id) == "canceled"


async def test_a_closing_worker_gives_its_jobs_to_another_at_once(office: Office) -> None:
    made = await office.add(max_attempts=1)
    async with working(office, forever) as (_, doing):
        await until(lambda: len(doing.begun) == 1)
    assert doing.cancelled == [made.id]
    waiting = await office.store.get("acme", made.id)
    assert (waiting.state, waiting.attempts) == ("queued", 0)

    async with working(office, at_once, name="w2"):
        assert await ended(office, made.id) == "succeeded"

    assert (await office.store.get("acme", made.id)).result == {"fence": 2}


async def test_a_problem_of_the_request_ends_the_job_and_a_bug_is_tried_again(
    office: Office,
) -> None:
    async def refuse(work: JobContext) -> JobResult:
        if work.job.subject == "bad":
            raise InvalidRequest("Not a video.")
        raise ZeroDivisionError("a secret path")

    bad, bug = await office.add(subject="bad"), await office.add(max_attempts=2)
    async with working(office, refuse):
        assert await ended(office, bad.id) == "failed"
        await failed_once(office, bug.id)
        waits = await office.store.get("acme", bug.id)
        assert (waits.state, waits.attempts) == ("queued", 1)
        office.clock.advance(5)
        assert await ended(office, bug.id) == "failed"

    problem = (await office.store.get("acme", bug.id)).problem
    assert problem is not None
    assert (problem["slug"], problem["status"]) == ("internal-error", 500)
    assert "secret" not in str(problem)


async def test_a_later_attempt_finds_what_earlier_ones_have_kept(office: Office) -> None:
    async def twice(work: JobContext) -> JobResult:
        await work.part(1, "ready" if work.checkpoints else "planned", {})
        if "analysis" in work.checkpoints:
            return JobResult("succeeded", {"found": work.checkpoints["analysis"]})
        await work.checkpoint("analysis", [1, 2])
        assert dict(work.checkpoints) == {"analysis": [1, 2]}
        raise Problem("Broken.")

    made = await office.add()
    async with working(office, twice):
        await failed_once(office, made.id)
        office.clock.advance(5)
        assert await ended(office, made.id) == "succeeded"

    assert (await office.store.get("acme", made.id)).result == {"found": [1, 2]}
    assert [part.state for part in await office.store.parts("acme", made.id)] == ["ready"]


async def test_progress_is_written_at_most_twice_a_second_and_at_every_stage(
    office: Office,
) -> None:
    async def chatty(work: JobContext) -> JobResult:
        for stage in ("analyse", "render"):
            for percent in range(50):
                await work.report(stage, percent)
        office.clock.advance(0.5)
        await work.report("render", 70)
        await work.report("render", 71)
        return JobResult("succeeded")

    made = await office.add()
    async with working(office, chatty):
        await ended(office, made.id)

    events = await office.store.events("acme", made.id)
    said = [
        (event.data["stage"], event.data["percent"]) for event in events if event.kind == "progress"
    ]
    assert said == [("analyse", 0.0), ("render", 0.0), ("render", 70.0)]


async def test_a_result_that_the_store_cannot_hold_is_a_failure(office: Office) -> None:
    async def wrong(work: JobContext) -> JobResult:
        return JobResult("succeeded", {"made": object()})

    made = await office.add(max_attempts=1)
    async with working(office, wrong):
        assert await ended(office, made.id) == "failed"


async def test_expired_jobs_are_swept_by_workers(office: Office) -> None:
    made = await office.add(keep_s=1.0)
    async with working(office, at_once):
        await ended(office, made.id)
        office.clock.advance(1)
        await answer(lambda: office.store.page("acme"), lambda page: not page.items)


async def test_workers_side_by_side_run_every_job_once(office: Office) -> None:
    made = [await office.add("acme" if n % 3 else "other") for n in range(12)]

    async with (
        working(office, at_once, concurrency=3) as (_, first),
        working(office, at_once, name="w2", concurrency=3) as (_, second),
    ):
        for job in made:
            assert await ended(office, job.id, job.tenant) == "succeeded"

    assert sorted(first.begun + second.begun) == sorted(job.id for job in made)
    assert len(await office.told()) == 12


def test_a_worker_s_name_fits_its_column(office: Office) -> None:
    with pytest.raises(ValueError, match="80"):
        JobWorker(office.store, [], "w" * 81, office.clock)


async def test_a_job_works_in_its_own_trace_and_its_events_are_reported_with_it(
    office: Office,
) -> None:
    seen: list[tuple[str, tuple[str, str]]] = []

    async def look(work: JobContext) -> JobResult:
        seen.append((current_traceparent(), logged_request.get()))
        return JobResult("succeeded", {})

    made = await office.add()
    async with working(office, look):
        await ended(office, made.id)

    span = job_trace(made, []).spans[0]
    traceparent = f"00-{span.trace_id}-{span.span_id}-01"
    assert seen == [(traceparent, (made.request_id, "acme"))]
    async with office.database.read() as connection:
        assert list((await connection.execute(select(events.c.trace))).scalars()) == [traceparent]


async def test_waits_attempts_stages_and_clips_are_counted(office: Office) -> None:
    async def two_stages(work: JobContext) -> JobResult:
        await work.report("ranking", 10.0)
        office.clock.advance(4.0)
        await work.part(1, "running", {})
        await work.report("making clips", 50.0)
        office.clock.advance(3.0)
        await work.part(1, "ready", {})
        await work.part(2, "failed", {})
        return JobResult("partial", {"duration": 61.5})

    made = await office.add()
    office.clock.advance(2.0)
    async with working(office, two_stages) as (worker, _):
        await ended(office, made.id)
        await until(lambda: not worker.running)
        found = {metric: dict(samples) for metric, samples in worker.metrics.read()}

    def seconds(metric: Metric) -> dict[LabelValues, object]:
        return {
            labels: value[1] for labels, value in found[metric].items() if isinstance(value, tuple)
        }

    assert seconds(jobs.QUEUE_WAIT) == {("video.clips",): 2.0}
    assert seconds(jobs.DURATION) == {("video.clips", "finished"): 7.0}
    assert seconds(jobs.STAGES) == {
        ("video.clips", "ranking"): 4.0,
        ("video.clips", "making clips"): 3.0,
    }
    assert found[jobs.CLIPS] == {("ready",): 1, ("failed",): 1}
    assert found[jobs.VIDEO_SECONDS] == {(): 61.5}


async def test_attempts_are_counted_by_how_they_ended(office: Office) -> None:
    async def broken(work: JobContext) -> JobResult:
        raise InvalidRequest("never")

    made = await office.add()
    async with working(office, broken) as (worker, _):
        assert await ended(office, made.id) == "failed"
        await until(lambda: not worker.running)
        counts = dict(dict(worker.metrics.read())[jobs.DURATION])

    assert set(counts) == {("video.clips", "failed")}
