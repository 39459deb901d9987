"""Kills the Clipper replica that runs a job, in the stage that is wished for.

Jobs are watched in the store itself, because a stage may last milliseconds. A replica is frozen
when its job is where it should be, looked at, and killed.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.cluster.recordings import working_in

POLL_S = 0.002
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Row:
    """How a job stands; `worker` is the process that runs it, `ready` how many clips are."""

    state: str
    stage: str
    worker: int
    ready: int


@dataclass(frozen=True)
class Killed:
    """A replica that is gone: its process, the stage that it died in, the sandboxed children that
    it had then, and the processes that had started those."""

    process: int
    stage: str
    children: list[psutil.Process]
    parents: list[psutil.Process]

    @property
    def survivors(self) -> list[psutil.Process]:
        return [each for each in (*self.children, *self.parents) if lives(each)]


@dataclass(frozen=True)
class Moment:
    """When to kill: in one of `stages`, with that many clips ready, and children at work or not."""

    stages: Collection[str]
    ready: int = 0
    children: bool = False

    def is_now(self, row: Row) -> bool:
        return row.state == "running" and row.stage in self.stages and row.ready >= self.ready


class Killer:
    """Over the cluster in `home`, whose store is SQLite."""

    def __init__(self, home: Path) -> None:
        self._scratch = home / "scratch"
        self._store = f"file:{home / 'mobula.db'}?mode=ro"

    async def kill(self, job: str, moment: Moment) -> Killed:
        """Whoever runs the job, at that moment. AssertionError if it never comes."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.closing(sqlite3.connect(self._store, uri=True)) as store:
                while True:
                    row = _row(store, job)
                    assert row.state in ("queued", "running"), f"it was {row.state} before {moment}"
                    if moment.is_now(row) and (done := self._strike(store, job, row, moment)):
                        return done
                    await asyncio.sleep(POLL_S)

    def _strike(
        self, store: sqlite3.Connection, job: str, row: Row, moment: Moment
    ) -> Killed | None:
        """None if the moment was over, or its children had not begun, when the replica froze."""
        os.kill(row.worker, signal.SIGSTOP)
        now, children = _row(store, job), self._children(row.worker)
        if now.worker != row.worker or not moment.is_now(now) or (moment.children and not children):
            os.kill(row.worker, signal.SIGCONT)
            return None
        parents = {process.ppid() for process in children}
        killed = Killed(row.worker, now.stage, children, [psutil.Process(pid) for pid in parents])
        os.kill(row.worker, signal.SIGKILL)
        return killed

    def _children(self, worker: int) -> list[psutil.Process]:
        folders = self._scratch.glob(f"work-{worker}-*")
        return [child for folder in folders for child in working_in(folder)]


def lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _row(store: sqlite3.Connection, job: str) -> Row:
    state, stage, worker = store.execute(
        "SELECT state, stage, worker FROM jobs WHERE id = ?", (job,)
    ).fetchone()
    (ready,) = store.execute(
        "SELECT COUNT(*) FROM job_parts WHERE job = ? AND state = 'ready'", (job,)
    ).fetchone()
    running = state == "running"
    return Row(state, stage, int(worker.split("-")[1]) if running else 0, ready)
