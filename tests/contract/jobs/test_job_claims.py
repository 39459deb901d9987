"""Claims: whose turn it is, who holds a job, and what becomes of it when they do not come back."""

import asyncio
from collections import Counter
from random import Random

import pytest

from cluster.runtime.problems import Overloaded
from cluster.storage.database import Database
from cluster.tenants.caller import Priority
from deployments.contracts.jobs import JobResult, LeaseLost
from deployments.jobs.store import JobStore
from tests.contract.jobs.office import KIND, LEASE_S, Office


async def test_a_new_job_waits_with_everything_that_was_said_of_it(office: Office) -> None:
    made = await office.add(subject="vid_1", cost=30, weight=2.0, request_id="req_1")

    found = await office.store.get("acme", made.id)

    assert found == made
    assert (found.state, found.percent, found.attempts, found.version) == ("queued", 0.0, 0, 1)
    assert (found.subject, found.cost, found.weight, found.spec) == ("vid_1", 30, 2.0, {"n": 1})
    assert found.priority is Priority.STANDARD
    assert await office.kinds(made) == ["queued"]


async def test_a_job_that_could_never_take_its_turn_is_refused(office: Office) -> None:
    for wrong in ({"cost": 0}, {"weight": 0.0}, {"max_attempts": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            await office.add(**wrong)


async def test_a_claim_gives_a_job_to_one_worker(office: Office) -> None:
    made = await office.add()

    lease = await office.claim("w1")

    assert (lease.job.id, lease.fence, lease.worker) == (made.id, 1, "w1")
    assert (lease.job.state, lease.job.attempts) == ("running", 1)
    assert lease.job.started == office.clock.wall()
    assert lease.until == office.clock.wall() + LEASE_S
    assert await office.nothing_to_claim()


async def test_a_worker_gets_only_kinds_that_it_runs(office: Office) -> None:
    await office.add(kind="text.batch")

    assert await office.nothing_to_claim()
    assert await office.store.claim("w1", ("text.batch", KIND), LEASE_S) is not None


async def test_within_a_tenant_urgent_jobs_come_first_and_then_old_ones(office: Office) -> None:
    added = []
    for priority in (Priority.BATCH, Priority.STANDARD, Priority.STANDARD, Priority.INTERACTIVE):
        added.append(await office.add(priority=priority))
        office.clock.advance(1)

    claimed = [(await office.claim()).job.id for _ in added]

    assert claimed == [added[index].id for index in (3, 1, 2, 0)]


async def test_a_tenant_with_a_long_queue_does_not_keep_another_waiting(office: Office) -> None:
    for _ in range(6):
        await office.add("acme", cost=10)
    office.clock.advance(60)
    for _ in range(2):
        await office.add("other", cost=10)

    served = [(await office.claim()).job.tenant for _ in range(4)]

    assert served == ["acme", "other", "acme", "other"]


async def test_shares_follow_weights_and_costs(office: Office) -> None:
    for _ in range(30):
        await office.add("acme", cost=10, weight=3.0)
        await office.add("other", cost=20, weight=1.0)

    served = Counter([(await office.claim()).job.tenant for _ in range(21)])

    # A third of the work is worth three times as much: six small jobs to each large one.
    assert served == {"acme": 18, "other": 3}


async def test_a_tenant_that_was_away_has_saved_up_no_turns(office: Office) -> None:
    for _ in range(20):
        await office.add("acme", cost=10)
    for _ in range(10):
        await office.claim()
    for _ in range(10):
        await office.add("other", cost=10)

    served = Counter([(await office.claim()).job.tenant for _ in range(10)])

    assert served == {"acme": 5, "other": 5}


async def test_many_workers_at_once_never_share_a_job(office: Office, url: str) -> None:
    made = {(await office.add("acme" if n % 2 else "other")).id for n in range(12)}
    second = Database(url)
    stores = (office.store, JobStore(second, office.clock, Random(1)))

    leases = await asyncio.gather(
        *(stores[n % 2].claim(f"w{n}", (KIND,), LEASE_S) for n in range(16))
    )
    await second.close()

    claimed = [lease.job.id for lease in leases if lease is not None]
    assert sorted(claimed) == sorted(made)


async def test_a_dead_worker_s_job_is_taken_over_under_a_new_fence(office: Office) -> None:
    made = await office.add()
    dead = await office.claim("w1")
    await office.store.report(dead, "render", 40.0)
    await office.store.checkpoint(dead, "analysis", {"shots": 3})

    office.clock.advance(LEASE_S - 1)
    assert await office.nothing_to_claim()
    office.clock.advance(1)
    taken = await office.claim("w2")

    assert (taken.job.id, taken.fence, taken.job.attempts) == (made.id, 2, 2)
    assert (taken.job.stage, taken.job.percent) == ("render", 40.0)
    assert await office.store.checkpoints(taken) == {"analysis": {"shots": 3}}
    assert await office.kinds(made) == ["queued", "started", "retrying", "started"]


async def test_a_worker_that_was_thought_dead_changes_nothing(office: Office) -> None:
    made = await office.add()
    late = await office.claim("w1")
    office.clock.advance(LEASE_S)
    await office.claim("w1")  # the same name, the next fence
    before = await office.store.get("acme", made.id)

    store = office.store
    for write in (
        store.renew(late, LEASE_S),
        store.report(late, "late", 99.0),
        store.checkpoint(late, "late", {}),
        store.set_part(late, 1, "ready", {}),
        store.finish(late, JobResult("succeeded")),
        store.fail(late, Overloaded("late")),
        store.confirm_cancel(late),
        store.release(late),
    ):
        with pytest.raises(LeaseLost):
            await write

    assert await store.renew_all([late], LEASE_S) == {}
    assert await store.check([late]) == {}
    assert await store.get("acme", made.id) == before
    assert await office.told() == []


async def test_a_renewed_lease_keeps_the_job(office: Office) -> None:
    await office.add()
    await office.add("other")
    first, second = await office.claim(), await office.claim()

    office.clock.advance(LEASE_S - 1)
    assert (await office.store.renew(first, LEASE_S)).until == office.clock.wall() + LEASE_S
    held = await office.store.renew_all([first, second], LEASE_S)
    office.clock.advance(LEASE_S - 1)

    assert held == {(lease.job.id, 1): False for lease in (first, second)}
    assert await office.nothing_to_claim()


async def test_who_comes_back_before_another_came_goes_on(office: Office) -> None:
    await office.add()
    lease = await office.claim()
    office.clock.advance(10 * LEASE_S)

    assert (await office.store.finish(lease, JobResult("succeeded"))).state == "succeeded"


async def test_a_job_whose_workers_all_die_ends_in_the_dead_letter(office: Office) -> None:
    made = await office.add(max_attempts=3)
    for _ in range(3):
        await office.claim()
        office.clock.advance(LEASE_S)

    assert await office.nothing_to_claim()
    ended = await office.store.get("acme", made.id)

    assert (ended.state, ended.attempts) == ("failed", 3)
    assert ended.problem is not None
    assert (ended.problem["slug"], ended.problem["retryable"]) == ("attempts-used-up", False)
    assert await office.told() == [("acme", "job.failed")]


async def test_a_job_given_back_costs_neither_an_attempt_nor_a_turn(office: Office) -> None:
    made = await office.add("acme", cost=1_000, max_attempts=1)
    await office.add("other", cost=10)
    lease = await office.claim()
    assert lease.job.id == made.id

    given = await office.store.release(lease)
    assert (given.state, given.attempts) == ("queued", 0)
    again = await office.claim("w2")

    assert (again.job.id, again.fence, again.job.attempts) == (made.id, 2, 1)


async def test_a_poll_that_finds_nothing_writes_nothing(office: Office, database: Database) -> None:
    async with database.begin():  # the one writer that SQLite has
        assert await office.nothing_to_claim()
