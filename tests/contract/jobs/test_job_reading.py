"""What can be seen of jobs, by whom, and when they are forgotten."""

import pytest

from cluster.runtime.problems import Conflict, InvalidRequest, NotFound, Overloaded
from deployments.contracts.jobs import ENDED, Job, JobEvent, JobResult
from deployments.jobs.event_stream import GapEvent, follow, has_ended
from deployments.jobs.job_rows import MAX_EVENTS
from deployments.jobs.queue_depth import QueueDepth
from deployments.jobs.store import JobStore
from tests.contract.jobs.office import KIND, LEASE_S, Office


async def end(office: Office) -> Job:
    return await office.store.finish(await office.claim(), JobResult("succeeded"))


async def test_a_job_of_another_tenant_is_as_unknown_as_none(office: Office) -> None:
    made = await office.add("acme")
    words = set()
    for id in (made.id, "job_" + "0" * 28, "no\x00id", "x" * 500):
        with pytest.raises(NotFound) as refused:
            await office.store.get("other", id)
        words.add(refused.value.detail.replace(id[:64], "ID"))
        assert await office.store.events("other", made.id) == ()
        assert await office.store.parts("other", made.id) == ()

    assert words == {"There is no job 'ID'."}


async def test_pages_go_from_new_to_old_and_miss_and_repeat_nothing(office: Office) -> None:
    made = []
    for _ in range(5):
        made.append((await office.add()).id)
        made.append((await office.add()).id)  # created at the same instant
        office.clock.advance(1)
    await office.add("other")

    seen: list[str] = []
    cursor = None
    for _ in range(4):
        page = await office.store.page("acme", limit=3, cursor=cursor)
        seen += [job.id for job in page.items]
        cursor = page.next

    assert cursor is None
    assert sorted(seen) == sorted(made)
    assert [made.index(id) // 2 for id in seen] == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]


async def test_listings_can_be_narrowed(office: Office) -> None:
    first = await office.add(subject="vid_1")
    await end(office)
    second = await office.add(subject="vid_2")
    third = await office.add(kind="text.batch", subject="vid_2")

    async def ids(**wanted: str) -> set[str]:
        found = await office.store.page("acme", **wanted)  # type: ignore[arg-type]
        return {job.id for job in found.items}

    assert await ids(state="succeeded") == {first.id}
    assert await ids(kind=KIND) == {first.id, second.id}
    assert await ids(subject="vid_2") == {second.id, third.id}
    assert await ids(subject="vid_2", kind=KIND, state="queued") == {second.id}
    assert await ids(state="failed") == set()


async def test_bad_bounds_are_refused(office: Office) -> None:
    for wrong in ({"limit": 0}, {"limit": 201}, {"cursor": "nonsense"}):
        with pytest.raises(InvalidRequest):
            await office.store.page("acme", **wrong)  # type: ignore[arg-type]


async def test_the_queue_s_depth_counts_what_a_worker_could_take(office: Office) -> None:
    assert await office.store.depth((KIND,)) == QueueDepth(0, 0, 0.0)
    await office.add()
    office.clock.advance(30)
    await office.add("other")
    await office.add(kind="text.batch")
    assert await office.store.depth((KIND,)) == QueueDepth(2, 0, 30.0)

    lease = await office.claim()
    assert await office.store.depth((KIND,)) == QueueDepth(1, 1, 0.0)

    await office.store.fail(lease, Overloaded("Later."))  # waits before it may be taken again
    assert await office.store.depth((KIND,)) == QueueDepth(1, 0, 0.0)


async def test_the_last_events_are_kept_and_a_follower_hears_what_it_missed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.jobs.job_rows.MAX_EVENTS", 10)
    made = await office.add()
    lease = await office.claim()
    for percent in range(30):
        await office.store.report(lease, "render", percent)
    await office.store.finish(lease, JobResult("succeeded"))

    kept = [event.seq for event in await office.store.events("acme", made.id)]
    assert kept == list(range(24, 34))

    def told(item: JobEvent | GapEvent | None) -> object:
        return item.seq if isinstance(item, JobEvent) else item

    heard = [told(item) async for item in follow(office.store, "acme", made.id, 5)]
    assert heard == [GapEvent(23), *kept]
    heard = [told(item) async for item in follow(office.store, "acme", made.id, 30)]
    assert heard == [31, 32, 33]
    heard = [told(item) async for item in follow(office.store, "acme", made.id, 10**6)]
    assert heard == [GapEvent(0), GapEvent(23), *kept]


def test_a_thousand_events_are_kept_of_a_job() -> None:
    assert MAX_EVENTS == 1_000


async def test_more_events_than_are_read_at_once_are_followed_in_order(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.jobs.event_stream.BATCH", 4)
    made = await office.add()
    lease = await office.claim()
    for percent in range(10):
        await office.store.report(lease, "render", percent)
    await office.store.finish(lease, JobResult("succeeded"))

    heard = [item async for item in follow(office.store, "acme", made.id, 0)]

    assert [item.seq for item in heard if isinstance(item, JobEvent)] == list(range(1, 14))
    assert await has_ended(office.store, "acme", made.id, 13)
    assert not await has_ended(office.store, "acme", made.id, 12)


async def test_following_ends_when_the_job_is_forgotten(office: Office) -> None:
    made = await office.add()
    await office.store.cancel("acme", made.id)
    following = follow(office.store, "acme", made.id, 0)
    assert isinstance(await anext(following), JobEvent)
    await office.store.delete("acme", made.id)

    assert [item.kind async for item in following if isinstance(item, JobEvent)] == ["canceled"]
    assert [item async for item in follow(office.store, "acme", made.id, 0)] == []


async def test_only_an_ended_job_can_be_forgotten_and_its_files_go_first(office: Office) -> None:
    removed: list[tuple[str, str]] = []

    async def remove(tenant: str, job: Job) -> None:
        assert await office.store.get(tenant, job.id) == job
        removed.append((tenant, job.id))

    office.store._on_delete = remove
    made = await office.add()
    with pytest.raises(Conflict, match="is queued"):
        await office.store.delete("acme", made.id)
    lease = await office.claim()
    await office.store.set_part(lease, 1, "ready", {})
    with pytest.raises(Conflict, match="is running"):
        await office.store.delete("acme", made.id)
    await office.store.finish(lease, JobResult("succeeded"))
    with pytest.raises(NotFound):
        await office.store.delete("other", made.id)
    assert removed == []

    await office.store.delete("acme", made.id)

    assert removed == [("acme", made.id)]
    with pytest.raises(NotFound):
        await office.store.delete("acme", made.id)
    assert await office.store.parts("acme", made.id) == ()
    assert await office.store.events("acme", made.id) == ()


async def test_a_job_is_kept_for_as_long_as_it_says_once_it_has_ended(office: Office) -> None:
    running = await office.add(keep_s=60.0)
    office.clock.advance(3_600)
    ended = await end(office)
    assert ended.id == running.id

    office.clock.advance(59)
    assert await office.store.sweep() == 0
    office.clock.advance(1)
    assert await office.store.sweep() == 1
    with pytest.raises(NotFound):
        await office.store.get("acme", ended.id)


async def test_a_job_whose_files_cannot_be_removed_holds_up_no_other(office: Office) -> None:
    made = []
    for _ in range(2):
        made.append(await office.add(keep_s=1.0))
        await end(office)
    stuck = {made[0].id}

    async def remove(tenant: str, job: Job) -> None:
        if job.id in stuck:
            raise OSError("disk")

    office.store._on_delete = remove
    office.clock.advance(1)

    assert await office.store.sweep() == 1
    stuck.clear()
    assert await office.store.sweep() == 1


async def test_sweeping_changes_nobody_s_turn(office: Office) -> None:
    async def served(store: JobStore) -> list[str]:
        order = []
        for _ in range(4):
            lease = await store.claim("w1", (KIND,), LEASE_S)
            assert lease is not None
            order.append(lease.job.tenant)
            await store.sweep()
        return order

    for _ in range(4):
        await office.add("acme", cost=3)
    await office.claim()
    for _ in range(3):
        await office.add("other", cost=3)

    assert await served(office.store) == ["other", "acme", "other", "acme"]
    assert {job.state for job in (await office.store.page("acme")).items}.isdisjoint(ENDED)
