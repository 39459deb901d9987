"""The notebook as a policy in Serve's controller meets it: no wait, no error, nothing lost."""

import os
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.autoscaling import decision_store as module
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.decision_store import REPEAT_S, SqlDecisionStore, open_decision_store
from cluster.runtime.clock import ManualClock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database, DatabaseUnavailable

CHAT = "Model:chat"
UP = Decision(CHAT, 100.0, 1, 1, 2, "queue", "12 open")
REFUSED = replace(UP, target=1, bound="cooldown")


class Store(Database):
    """Keeps rows, or is away; `rows` are the decisions that it took."""

    def __init__(self) -> None:
        self.away = False
        self.rows: list[dict[str, Any]] = []

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        if self.away:
            raise DatabaseUnavailable
        yield None  # type: ignore[misc]

    read = begin


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()

    async def write(_: object, rows: list[dict[str, Any]]) -> None:
        made.rows += rows

    async def nothing(*_: object) -> list[object]:
        return []

    monkeypatch.setattr(module.store, "write", write)
    monkeypatch.setattr(module.store, "bounds", nothing)
    monkeypatch.setattr(module.store, "prune", nothing)
    return made


def by_hand(waiting: int = 100) -> SqlDecisionStore:
    """One without a thread: rounds are turned by the test."""
    notebook = SqlDecisionStore("", ManualClock(), waiting=waiting)
    notebook._ended.set()
    return notebook


async def test_decisions_wait_while_the_store_is_away_and_come_in_order(store: Store) -> None:
    notebook = by_hand()
    store.away = True
    for target in (2, 3):
        notebook.record(replace(UP, target=target))
        with pytest.raises(DatabaseUnavailable):
            await notebook.sync_once(store)
    store.away = False
    notebook.record(replace(UP, target=4))

    await notebook.sync_once(store)

    assert [row["target"] for row in store.rows] == [2, 3, 4]
    assert (notebook.written, notebook.dropped) == (3, 0)


async def test_of_too_many_the_oldest_are_dropped_and_counted(store: Store) -> None:
    notebook = by_hand(waiting=3)
    for target in range(2, 8):
        notebook.record(replace(UP, target=target))

    await notebook.sync_once(store)

    assert [row["target"] for row in store.rows] == [5, 6, 7]
    assert notebook.dropped == 3


async def test_a_store_that_leaves_in_the_middle_keeps_nobodys_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        notebook.record(replace(UP, target=9))  # meanwhile
        raise DatabaseUnavailable

    notebook = by_hand(waiting=2)
    for target in (2, 3):
        notebook.record(replace(UP, target=target))
    monkeypatch.setattr(module.store, "write", fails)
    with pytest.raises(DatabaseUnavailable):
        await notebook.sync_once(store)

    assert [row["target"] for row in notebook._waiting] == [3, 9]
    assert notebook.dropped == 1


async def test_a_refusal_that_goes_on_is_written_once_an_hour(store: Store) -> None:
    notebook = by_hand()
    for second in range(int(REPEAT_S) + 1):
        notebook.record(replace(REFUSED, at=100.0 + second))
        notebook.record(replace(REFUSED, at=100.0 + second, bound="step"))
    notebook.record(replace(REFUSED, target=2, before=2, at=101.0 + REPEAT_S))

    await notebook.sync_once(store)

    assert [row["bound"] for row in store.rows] == ["cooldown", "step"] * 2 + ["cooldown"]


async def test_changes_are_never_taken_for_repetitions(store: Store) -> None:
    notebook = by_hand()
    for _ in range(3):
        notebook.record(UP)

    await notebook.sync_once(store)

    assert len(store.rows) == 3


def test_what_is_no_decision_is_counted_and_harms_nobody() -> None:
    notebook = by_hand()

    notebook.record(replace(UP, target="many"))  # type: ignore[arg-type]
    notebook.record(None)  # type: ignore[arg-type]

    assert notebook.dropped == 2


def test_bounds_hold_until_they_end() -> None:
    notebook, clock = by_hand(), ManualClock()
    notebook._clock = clock
    notebook._bounds = {CHAT: Bounds(2, until=clock.wall() + 60)}

    assert notebook.bounds(CHAT).floor == 2
    clock.advance(60)
    assert notebook.bounds(CHAT) == Bounds()
    assert notebook.bounds("Model:other") == Bounds()


def test_a_store_that_cannot_be_opened_at_all_is_only_counted() -> None:
    notebook = SqlDecisionStore("nonsense://", ManualClock(), 0.01)

    notebook.record(UP)
    assert notebook.bounds(CHAT) == Bounds()
    notebook.close()

    assert notebook.failures >= 1
    assert (len(notebook._waiting), notebook.dropped) == (1, 0)


def test_pickled_it_opens_the_store_of_where_it_comes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Settings(home=tmp_path, database_url="postgresql+asyncpg://mobula:hidden@db/x")
    carried = pickle.dumps(open_decision_store(there))
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path / "here"))

    found = pickle.loads(carried)

    assert b"hidden" not in carried
    assert found is open_decision_store(Settings(home=tmp_path / "here"))
    assert found._thread is None, "it is used first"


def test_after_a_fork_it_runs_again() -> None:
    notebook = SqlDecisionStore("nonsense://", ManualClock(), 0.01)
    notebook.record(UP)
    child = os.fork()
    if child == 0:
        notebook.bounds(CHAT)
        os._exit(0 if notebook._thread is not None and notebook._thread.is_alive() else 1)

    _, status = os.waitpid(child, 0)
    notebook.close()

    assert os.waitstatus_to_exitcode(status) == 0
