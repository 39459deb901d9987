"""Decides what a supervisor does about missing processes and failed probes. Pure.

A dead GCS or raylet needs a restart of the cluster. Processes that Serve restarts get time for that
first. A busy machine responds late: only a long time without a response counts, and it counts less
while the CPUs are busy (cluster/ops/cluster_monitor.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cluster.ops.roles import BY_COMMAND, BY_SERVE, FATAL, TITLES, Role
from cluster.runtime.clock import Clock

SERVE_RESTART_S = 20.0  # for Serve to replace one of its processes; it takes 2 to 8
UNRESPONSIVE_S = 60.0
SLOW_S = 6.0  # shorter delays are not reported

Action = Literal["none", "wait", "revive", "restart"]


@dataclass(frozen=True, slots=True)
class SupervisorDecision:
    """What to do and why; `roles` are the processes to start, for `revive`."""

    action: Action
    reason: str = ""
    roles: tuple[Role, ...] = ()


def decide(away: Mapping[Role, float], silent: Mapping[str, float]) -> SupervisorDecision:
    """`away`: seconds since a role went missing; `silent`: since a target's last response."""
    return (
        _restart(away, silent) or _revive(away) or _wait(away, silent) or SupervisorDecision("none")
    )


def _restart(away: Mapping[Role, float], silent: Mapping[str, float]) -> SupervisorDecision | None:
    reasons = [
        *(f"{TITLES[role]} has died" for role in FATAL if role in away),
        *(
            f"{TITLES[role]} was not restarted within {SERVE_RESTART_S:g} s"
            for role in BY_SERVE
            if away.get(role, 0.0) >= SERVE_RESTART_S
        ),
        *(
            f"{name} has not responded for {UNRESPONSIVE_S:g} s or more"
            for name, seconds in silent.items()
            if seconds >= UNRESPONSIVE_S
        ),
    ]
    return SupervisorDecision("restart", reasons[0]) if reasons else None


def _revive(away: Mapping[Role, float]) -> SupervisorDecision | None:
    roles = tuple(role for role in BY_COMMAND if role in away)
    return SupervisorDecision("revive", f"{_titles(roles)} has died", roles) if roles else None


def _wait(away: Mapping[Role, float], silent: Mapping[str, float]) -> SupervisorDecision | None:
    roles = tuple(role for role in BY_SERVE if role in away)
    if roles:
        return SupervisorDecision("wait", f"{_titles(roles)} has died; Serve restarts it")
    late = [name for name, seconds in silent.items() if seconds >= SLOW_S]
    return SupervisorDecision("wait", f"{' and '.join(late)} responds late") if late else None


def _titles(roles: tuple[Role, ...]) -> str:
    return " and ".join(TITLES[role] for role in roles)


MAX_RESTARTS = 5  # starts within WINDOW_S
WINDOW_S = 600.0
DELAYS_S = (0.0, 1.0, 5.0, 15.0, 30.0)  # before the first, the second, ... within the window


@dataclass(slots=True)
class Restarts:
    """Counts the starts of the last `WINDOW_S`; more than `MAX_RESTARTS` are a crash loop."""

    clock: Clock
    _started_at: list[float] = field(default_factory=list)

    def attempt(self) -> int:
        """Number of the next start within the window, from 1."""
        now = self.clock.monotonic()
        self._started_at = [start for start in self._started_at if now - start < WINDOW_S]
        return len(self._started_at) + 1

    def is_crash_loop(self) -> bool:
        return self.attempt() > MAX_RESTARTS

    def begin(self) -> float:
        """Counts a start; returns the delay before it in seconds."""
        delay = DELAYS_S[min(self.attempt(), len(DELAYS_S)) - 1]
        self._started_at.append(self.clock.monotonic())
        return delay
