"""Whatever is invalidated, merged, pruned and read in whatever order: no worthless answer is good.

The judge is a list of all that was ever asked for, looked through from start to end.
"""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.invalidation import store
from cluster.invalidation.feed import InvalidationFeed
from cluster.invalidation.store import TooManyPrefixes
from cluster.invalidation.target import EVERYBODY, Kind
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from tests.contract.invalidation.invalidating import invalidate
from tests.servers.stores import empty_sqlite

LONGEST_S = 1000.0
TAGS, TENANTS, MODELS = ["a", "ab", "abc", "b"], ["acme", "other"], ["nano", "words"]


@dataclass(frozen=True)
class Answer:
    """`as_of` is what its replica knew when computing it began, at `created`."""

    tenant: str
    model: str
    tags: Sequence[str]
    as_of: int
    created: float


@dataclass
class Play:
    """Three replicas over one store, and what the judge knows."""

    database: Database
    clock: ManualClock
    feeds: list[InvalidationFeed]
    asked: list[tuple[Kind, str, str, int]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    async def invalidate(self, kind: Kind, name: str, tenant: str) -> None:
        try:
            made = await invalidate(self.database, self.clock, kind, name, tenant)
        except TooManyPrefixes:
            return
        self.asked.append((kind, name, tenant, made.seq))

    async def answer(self, replica: int, tenant: str, model: str, tags: Sequence[str]) -> None:
        as_of = self.feeds[replica].generations.latest
        self.answers.append(Answer(tenant, model, tags, as_of, self.clock.wall()))

    async def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def tidy(self, replica: int) -> None:
        await self.feeds[replica].tidy()
        self.judge(replica)

    async def refresh(self, replica: int) -> None:
        await self.feeds[replica].refresh()
        self.judge(replica)

    async def join(self, replica: int) -> None:
        """In the place of another."""
        self.feeds[replica] = InvalidationFeed(self.database, self.clock, longest_s=LONGEST_S)
        await self.refresh(replica)

    def judge(self, replica: int) -> None:
        known = self.feeds[replica].generations
        for each in self.answers:
            good = known.is_valid(each.tenant, each.model, each.tags, each.as_of)
            assert not (good and self.worthless(each)), each

    def worthless(self, answer: Answer) -> bool:
        return any(
            seq > answer.as_of and _touches(kind, name, tenant, answer)
            for kind, name, tenant, seq in self.asked
        )


def _touches(kind: Kind, name: str, tenant: str, answer: Answer) -> bool:
    if tenant not in (EVERYBODY, answer.tenant):
        return False
    match kind:
        case "model":
            return name == answer.model
        case "tag":
            return name in answer.tags
        case "prefix":
            return any(tag.startswith(name) for tag in answer.tags)
    return True


REPLICA, TENANT, TAG = st.integers(0, 2), st.sampled_from(TENANTS), st.sampled_from(TAGS)
MODEL = st.sampled_from(MODELS)
STEPS = st.one_of(
    st.tuples(st.just("invalidate"), st.sampled_from(["tag", "prefix"]), TAG, TENANT),
    st.tuples(st.just("invalidate"), st.just("model"), MODEL, TENANT | st.just(EVERYBODY)),
    st.tuples(st.just("invalidate"), st.just("tenant"), st.just(""), TENANT),
    st.just(("invalidate", "all", "", EVERYBODY)),
    st.tuples(st.just("answer"), REPLICA, TENANT, MODEL, st.lists(TAG, max_size=2)),
    st.tuples(st.just("answer"), REPLICA, TENANT, MODEL, st.lists(TAG, max_size=2)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 400.0, 1100.0])),
    st.tuples(st.sampled_from(["tidy", "refresh", "refresh", "join"]), REPLICA),
)


async def played(url: str, steps: Sequence[tuple]) -> None:  # type: ignore[type-arg]
    database, clock = Database(url), ManualClock()
    feeds = [InvalidationFeed(database, clock, longest_s=LONGEST_S) for _ in range(3)]
    play = Play(database, clock, feeds)
    try:
        for name, *arguments in steps:
            await getattr(play, name)(*arguments)
        for replica in range(3):
            await play.refresh(replica)
    finally:
        await database.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=5, max_size=40))
def test_no_replica_takes_a_worthless_answer_for_good(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple],  # type: ignore[type-arg]
) -> None:
    monkeypatch.setattr(store, "MAX_NAMES", 2)
    monkeypatch.setattr(store, "MAX_PREFIXES", 2)
    copied = shutil.copy(empty_sqlite(), tmp_path / "mobula.db")
    asyncio.run(played(f"sqlite+aiosqlite:///{copied}", steps))


async def test_an_answer_that_may_still_live_is_not_lost_to_pruning(
    database: Database, clock: ManualClock, feed: InvalidationFeed
) -> None:
    for number in range(5):
        await invalidate(database, clock, "tag", f"t{number}")
        clock.advance(300)
        await feed.refresh()
        as_of = feed.generations.latest
        clock.advance(300)
    await feed.tidy()

    assert feed.generations.oldest_generation > 0
    assert feed.generations.is_valid("acme", "nano", (), as_of)
