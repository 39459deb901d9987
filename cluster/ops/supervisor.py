"""Supervises a cluster on one machine: checks its health and restarts what has died.

In: a `Supervised` cluster. Out: its state as a `Supervision` record, and lines for the operator;
`run` returns the reason when it gives up.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from cluster.ops import supervision as supervisions
from cluster.ops.processes import ClusterId
from cluster.ops.roles import Role
from cluster.ops.start_plan import StartFailed
from cluster.ops.supervision import Phase, Supervision
from cluster.ops.supervisor_decision import (
    MAX_RESTARTS,
    WINDOW_S,
    Restarts,
    SupervisorDecision,
    decide,
)
from cluster.runtime.clock import Clock, SystemClock

POLL_S = 0.5
OBSTACLE_POLL_S = 2.0

PrintLine = Callable[[str], None]


class Supervised(Protocol):
    """The cluster operations that a supervisor needs."""

    def away(self) -> Mapping[Role, float]:
        """Missing roles, with the seconds since they went missing."""
        ...

    def silent(self) -> Mapping[str, float]:
        """Targets without a response, with the seconds since the last one."""
        ...

    def revive(self, role: Role) -> None:
        """Start one process with its original command. Raises OSError."""
        ...

    def obstacle(self) -> str | None:
        """Why a restart cannot succeed now; None if it can."""
        ...

    def start_again(self) -> None:
        """End the remaining processes and start the cluster. On StartFailed nothing is running."""
        ...


class Supervisor:
    """Polls a cluster; `on_poll` is called before each poll, `sleep` waits between them."""

    def __init__(
        self,
        cluster: Supervised,
        home: Path,
        print_line: PrintLine,
        *,
        detached: bool,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_poll: Callable[[], None] = lambda: None,
    ) -> None:
        self._cluster = cluster
        self._home = home
        self._print_line = print_line
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._on_poll = on_poll
        self._restarts = Restarts(self._clock)
        self._record = Supervision(ClusterId.this(), detached, since=self._clock.wall())

    def announce(self) -> None:
        """Saves the supervision record."""
        self._save()

    def run(self) -> str:
        """Supervises until it gives up; returns the reason."""
        self.announce()
        while True:
            self._on_poll()
            decision = decide(self._cluster.away(), self._cluster.silent())
            if decision.action == "restart" and not self._start_again(decision.reason):
                return self._record.reason
            if decision.action != "restart":
                self._apply(decision)
            self._sleep(POLL_S)

    def _apply(self, decision: SupervisorDecision) -> None:
        if decision.action == "none":
            self._set_phase("watching")
            return
        self._set_phase("waiting", decision.reason)
        for role in decision.roles:
            self._print_line(f"{decision.reason}; restarting it")
            try:
                self._cluster.revive(role)
            except OSError as error:
                self._print_line(f"the restart failed: {error}")

    def _start_again(self, reason: str) -> bool:
        """Restarts the cluster until it runs; False after it gave up."""
        while True:
            self._wait_for_obstacle(reason)
            if self._restarts.is_crash_loop():
                return self._give_up(reason)
            attempt = self._restarts.attempt()
            delay = self._restarts.begin()
            self._set_phase("restarting", reason, attempt)
            self._print_line(f"{reason}; restarting the cluster (attempt {attempt})")
            self._sleep(delay)
            started = self._clock.monotonic()
            try:
                self._cluster.start_again()
            except StartFailed as failure:
                self._print_line(str(failure))
                reason = _summarize(str(failure))
                continue
            self._record = replace(self._record, restarts=self._record.restarts + 1)
            self._set_phase("watching")
            self._print_line(
                f"the cluster runs again after {self._clock.monotonic() - started:.1f} s"
            )
            return True

    def _wait_for_obstacle(self, reason: str) -> None:
        while (obstacle := self._cluster.obstacle()) is not None:
            self._set_phase("waiting", f"{reason}; {obstacle}")
            self._on_poll()
            self._sleep(OBSTACLE_POLL_S)

    def _give_up(self, reason: str) -> bool:
        minutes = WINDOW_S / 60
        self._set_phase(
            "gave up", f"restarted {MAX_RESTARTS} times within {minutes:g} minutes; last: {reason}"
        )
        return False

    def _set_phase(self, phase: Phase, reason: str = "", attempt: int = 0) -> None:
        """Saves a changed phase, and prints it if the operator should know."""
        old = self._record
        if (old.phase, old.reason, old.attempt) == (phase, reason, attempt):
            return
        since = self._clock.wall()
        self._record = replace(old, phase=phase, reason=reason, attempt=attempt, since=since)
        self._save()
        if phase == "waiting":
            self._print_line(reason)
        elif phase == "watching" and old.phase == "waiting":
            self._print_line(f"healthy again after {since - old.since:.1f} s")

    def _save(self) -> None:
        """Saves the record; a failure such as a full disk does not stop the supervision."""
        try:
            supervisions.save(self._home, self._record)
        except OSError as error:
            self._print_line(f"the supervisor's state cannot be saved: {error}")


def _summarize(text: str) -> str:
    """The first line and the last, which names the error after a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["unknown reason"]
    return lines[0] if len(lines) == 1 else f"{lines[0]}: {lines[-1]}"
