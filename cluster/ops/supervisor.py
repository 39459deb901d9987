"""Keeps a cluster on one machine alive: looks, judges, and starts again what has died.

Flows in: a `Supervised` cluster. Flows out: what it does, as a `Supervision` record and as lines
for the operator; it returns a sentence when it gives up. It ends when its process is told to.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from cluster.ops import supervision as supervisions
from cluster.ops.processes import ClusterId
from cluster.ops.restarts import MOST, WINDOW_S, Restarts
from cluster.ops.roles import Role
from cluster.ops.start_plan import StartFailed
from cluster.ops.supervision import Phase, Supervision
from cluster.ops.supervisor_decision import SupervisorDecision, decide
from cluster.runtime.clock import Clock, SystemClock

LOOK_S = 0.5
OBSTACLE_S = 2.0

Say = Callable[[str], None]


class Supervised(Protocol):
    """A cluster, as its supervisor handles it."""

    def away(self) -> Mapping[Role, float]:
        """The roles that are not filled, and for how many seconds."""
        ...

    def silent(self) -> Mapping[str, float]:
        """What does not answer, and for how many seconds."""
        ...

    def revive(self, role: Role) -> None:
        """Start one process in the way it was started. Raises OSError."""
        ...

    def obstacle(self) -> str | None:
        """Why no start can succeed now, and none is worth an attempt."""
        ...

    def start_again(self) -> None:
        """End what is left and start everything. Raises StartFailed, with nothing left running."""
        ...


class Supervisor:
    """`each_look` is called before each look; `sleep` waits between them."""

    def __init__(
        self,
        cluster: Supervised,
        home: Path,
        say: Say,
        *,
        detached: bool,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        each_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._home = home
        self._say = say
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._each_look = each_look
        self._restarts = Restarts(self._clock)
        self._record = Supervision(ClusterId.this(), detached, since=self._clock.wall())

    def announce(self) -> None:
        """Write down who supervises the cluster."""
        self._save()

    def run(self) -> str:
        """Returns only when it gave up, and why."""
        self.announce()
        while True:
            self._each_look()
            verdict = decide(self._cluster.away(), self._cluster.silent())
            if verdict.action == "restart" and not self._start_again(verdict.reason):
                return self._record.reason
            if verdict.action != "restart":
                self._follow(verdict)
            self._sleep(LOOK_S)

    def _follow(self, verdict: SupervisorDecision) -> None:
        if verdict.action == "none":
            self._tell("watching")
            return
        self._tell("waiting", verdict.reason)
        for role in verdict.roles:
            self._say(f"{verdict.reason}; starting it again")
            try:
                self._cluster.revive(role)
            except OSError as error:
                self._say(f"that failed: {error}")

    def _start_again(self, reason: str) -> bool:
        """Whether it runs again; where not, it was given up."""
        while True:
            self._await_chance(reason)
            if self._restarts.is_crash_loop():
                return self._give_up(reason)
            attempt = self._restarts.attempt()
            delay = self._restarts.begin()
            self._tell("restarting", reason, attempt)
            self._say(f"{reason}; starting everything again (attempt {attempt})")
            self._sleep(delay)
            began = self._clock.monotonic()
            try:
                self._cluster.start_again()
            except StartFailed as failure:
                self._say(str(failure))
                reason = _short(str(failure))
                continue
            self._record = replace(self._record, restarts=self._record.restarts + 1)
            self._tell("watching")
            self._say(f"it runs again after {self._clock.monotonic() - began:.1f} s")
            return True

    def _await_chance(self, reason: str) -> None:
        while (obstacle := self._cluster.obstacle()) is not None:
            self._tell("waiting", f"{reason}; {obstacle}")
            self._each_look()
            self._sleep(OBSTACLE_S)

    def _give_up(self, reason: str) -> bool:
        minutes = WINDOW_S / 60
        self._tell("gave up", f"started {MOST} times within {minutes:g} minutes; last: {reason}")
        return False

    def _tell(self, phase: Phase, reason: str = "", attempt: int = 0) -> None:
        """Write it down, and what is worth a line say, where something changed."""
        old = self._record
        if (old.phase, old.reason, old.attempt) == (phase, reason, attempt):
            return
        since = self._clock.wall()
        self._record = replace(old, phase=phase, reason=reason, attempt=attempt, since=since)
        self._save()
        if phase == "waiting":
            self._say(reason)
        elif phase == "watching" and old.phase == "waiting":
            self._say(f"all is well again after {since - old.since:.1f} s")

    def _save(self) -> None:
        """A full disk is no reason to stop supervising."""
        try:
            supervisions.save(self._home, self._record)
        except OSError as error:
            self._say(f"what the supervisor does cannot be written down: {error}")


def _short(text: str) -> str:
    """The first line, and the last, which names the error where there is a traceback between."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["nobody knows why"]
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {lines[-1]}"
