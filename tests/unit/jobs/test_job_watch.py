"""Watching: one query for all who wait, none while nobody does."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from cluster.runtime.problems import RateLimited
from cluster.storage.database import DatabaseUnavailable
from deployments.jobs.event_notifier import MAX_STREAMS, EventNotifier


class Counts:
    """Last events of jobs, and how often they were asked for."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], int] = {}
        self.asked: list[frozenset[str]] = []
        self.away = False

    async def __call__(self, ids: Collection[str]) -> Mapping[tuple[str, str], int]:
        self.asked.append(frozenset(ids))
        if self.away:
            raise DatabaseUnavailable
        return self.last


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def watch(counts: Counts) -> EventNotifier:
    return EventNotifier(counts, poll_s=0.005)


async def test_whoever_waits_hears_of_a_later_event(watch: EventNotifier, counts: Counts) -> None:
    counts.last = {("acme", "j1"): 3, ("acme", "j2"): 3}
    waiting = [asyncio.create_task(watch.wait("acme", f"j{n}", 3, 60.0)) for n in (1, 2)]
    await asyncio.sleep(0.02)
    assert not any(task.done() for task in waiting)

    counts.last = {("acme", "j1"): 4, ("acme", "j2"): 3}
    assert await waiting[0]
    assert not waiting[1].done()
    counts.last = {("acme", "j2"): 9}
    assert await waiting[1]
    assert counts.asked[0] == {"j1", "j2"}


async def test_a_quiet_job_is_waited_for_only_so_long(watch: EventNotifier, counts: Counts) -> None:
    counts.last = {("acme", "j1"): 3}

    assert not await watch.wait("acme", "j1", 3, 0.02)


async def test_a_job_that_is_gone_is_news(watch: EventNotifier, counts: Counts) -> None:
    counts.last = {("other", "j1"): 3}

    assert await watch.wait("acme", "j1", 3, 60.0)


async def test_nothing_is_asked_while_nobody_waits(watch: EventNotifier, counts: Counts) -> None:
    assert await watch.wait("acme", "j1", 0, 60.0)
    await asyncio.sleep(0.02)
    asked = len(counts.asked)
    await asyncio.sleep(0.03)

    assert len(counts.asked) == asked


async def test_a_store_that_is_away_is_asked_again(watch: EventNotifier, counts: Counts) -> None:
    counts.away = True
    waiting = asyncio.create_task(watch.wait("acme", "j1", 0, 60.0))
    await asyncio.sleep(0.02)
    assert not waiting.done()

    counts.away = False
    assert await waiting


def test_a_tenant_has_so_many_seats_and_gets_them_back(watch: EventNotifier) -> None:
    taken = [watch.subscribe("acme") for _ in range(MAX_STREAMS)]
    for each in taken:
        each.__enter__()

    with pytest.raises(RateLimited, match="64 event streams"), watch.subscribe("acme"):
        pass
    with watch.subscribe("other"):
        pass
    taken[0].__exit__(None, None, None)
    with watch.subscribe("acme"):
        pass
