"""Invalidations in the store: each has the highest number yet, and rows stay few."""

import pytest

from cluster.invalidation import store
from cluster.invalidation.feed import InvalidationFeed
from cluster.invalidation.store import TooManyPrefixes
from cluster.invalidation.target import EVERYBODY, Target
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import Database
from tests.contract.invalidation.invalidating import good, invalidate, prune, rows


async def test_numbers_rise_and_a_name_has_one_row(database: Database, clock: ManualClock) -> None:
    made = [await invalidate(database, clock, "tag", "post:17") for _ in range(3)]

    numbers = [each.seq for each in made]
    assert numbers == sorted(set(numbers))
    assert await rows(database) == 1


async def test_a_wider_one_takes_the_place_of_what_it_covers(
    database: Database, clock: ManualClock
) -> None:
    for name in ("post:17", "post:18", "POST:1", "page", "post_"):
        await invalidate(database, clock, "tag", name)
    await invalidate(database, clock, "prefix", "post:1")
    await invalidate(database, clock, "tag", "post:17", tenant="other")
    await invalidate(database, clock, "model", "post:17")

    await invalidate(database, clock, "prefix", "post:")
    assert await rows(database) == 6
    await invalidate(database, clock, "tenant")
    assert await rows(database) == 2
    await invalidate(database, clock, "all", tenant=EVERYBODY)
    assert await rows(database) == 1


async def test_a_prefix_is_taken_as_it_is_written(database: Database, clock: ManualClock) -> None:
    """`_` is any character to LIKE, whose letters have no case on SQLite."""
    for name in ("ab", "a_", "A_"):
        await invalidate(database, clock, "tag", name)

    await invalidate(database, clock, "prefix", "a_")

    assert await rows(database) == 3


async def test_too_many_names_become_everything_of_the_tenant(
    database: Database, clock: ManualClock, feed: InvalidationFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_NAMES", 3)
    for name in ("a", "b", "c", "a"):
        assert (await invalidate(database, clock, "tag", name)).kind == "tag"
    await invalidate(database, clock, "prefix", "p")
    kept = await invalidate(database, clock, "tag", "a", tenant="other")

    made = await invalidate(database, clock, "model", "words")
    await feed.refresh()

    assert (made.tenant, made.kind, made.name) == ("acme", "tenant", "")
    assert await rows(database) == 2
    assert not good(feed, "never-named", made.seq - 1)
    assert good(feed, "b", kept.seq, tenant="other")
    assert (await invalidate(database, clock, "tag", "d")).kind == "tag"


async def test_too_many_models_of_everybody_become_everything(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_NAMES", 1)
    await invalidate(database, clock, "model", "nano", tenant=EVERYBODY)

    made = await invalidate(database, clock, "model", "words", tenant=EVERYBODY)

    assert (made.tenant, made.kind) == (EVERYBODY, "all")
    assert await rows(database) == 1


async def test_too_many_prefixes_are_refused_until_there_is_room(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_PREFIXES", 2)
    for name in ("a:", "b:", "a:"):
        await invalidate(database, clock, "prefix", name)

    with pytest.raises(TooManyPrefixes) as refused:
        await invalidate(database, clock, "prefix", "c:")
    assert (refused.value.param, refused.value.extensions["limit"]) == ("prefix", 2)
    await invalidate(database, clock, "prefix", "c:", tenant="other")
    await invalidate(database, clock, "tenant")
    await invalidate(database, clock, "prefix", "c:")


async def test_nobody_but_everybody_invalidates_all(database: Database, clock: ManualClock) -> None:
    with pytest.raises(InvalidRequest):
        async with database.begin() as connection:
            await store.add(connection, clock, "acme", Target("all"))

    assert await rows(database) == 0


async def test_what_is_old_becomes_one_row_that_touches_everything(
    database: Database, clock: ManualClock
) -> None:
    old = [await invalidate(database, clock, "tag", f"t{n}") for n in range(5)]
    clock.advance(100)
    young = await invalidate(database, clock, "tag", "young")

    assert await prune(database, clock.wall() - 50) == 4
    assert await prune(database, clock.wall() - 50) == 0

    late = InvalidationFeed(database, clock)
    await late.refresh()
    assert late.generations.oldest_generation == old[-1].seq
    assert late.generations.latest == young.seq
    assert not good(late, "anything", old[-1].seq - 1)
    assert good(late, "anything", old[-1].seq)
    assert not good(late, "young", old[-1].seq)


async def test_nothing_old_is_no_reason_to_forget(database: Database, clock: ManualClock) -> None:
    assert await prune(database, clock.wall()) == 0
    await invalidate(database, clock, "tag", "a")

    assert await prune(database, clock.wall()) == 0
    assert await rows(database) == 1
