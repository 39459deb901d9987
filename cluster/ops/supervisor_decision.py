"""What a supervisor does about what it sees. Pure.

A process of Ray's own that is gone does not come back: everything is started again. What Serve
keeps alive itself gets time for that first. A machine that is merely busy answers late: only long
silence counts, and it counts for less while the CPUs are full (cluster/ops/cluster_monitor.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cluster.ops.roles import BY_COMMAND, BY_SERVE, FATAL, TITLES, Role

SERVE_S = 20.0  # what Serve gets to replace a part of its own; it takes 2 to 8
SILENCE_S = 60.0
SHORT_SILENCE_S = 6.0  # not worth a word

Action = Literal["none", "wait", "revive", "restart"]


@dataclass(frozen=True, slots=True)
class SupervisorDecision:
    """`roles` are those to revive, with `revive`."""

    action: Action
    reason: str = ""
    roles: tuple[Role, ...] = ()


def decide(away: Mapping[Role, float], silent: Mapping[str, float]) -> SupervisorDecision:
    """`away` and `silent`: seconds since it was there, or answered, last."""
    return (
        _restart(away, silent) or _revive(away) or _wait(away, silent) or SupervisorDecision("none")
    )


def _restart(away: Mapping[Role, float], silent: Mapping[str, float]) -> SupervisorDecision | None:
    reasons = [
        *(f"{TITLES[role]} has died" for role in FATAL if role in away),
        *(
            f"{TITLES[role]} did not come back within {SERVE_S:g} s"
            for role in BY_SERVE
            if away.get(role, 0.0) >= SERVE_S
        ),
        *(
            f"{name} has not answered for {SILENCE_S:g} s and more"
            for name, seconds in silent.items()
            if seconds >= SILENCE_S
        ),
    ]
    return SupervisorDecision("restart", reasons[0]) if reasons else None


def _revive(away: Mapping[Role, float]) -> SupervisorDecision | None:
    roles = tuple(role for role in BY_COMMAND if role in away)
    return SupervisorDecision("revive", f"{_titles(roles)} has died", roles) if roles else None


def _wait(away: Mapping[Role, float], silent: Mapping[str, float]) -> SupervisorDecision | None:
    roles = tuple(role for role in BY_SERVE if role in away)
    if roles:
        return SupervisorDecision("wait", f"{_titles(roles)} has died; Serve starts it again")
    late = [name for name, seconds in silent.items() if seconds >= SHORT_SILENCE_S]
    return SupervisorDecision("wait", f"{' and '.join(late)} answers late") if late else None


def _titles(roles: tuple[Role, ...]) -> str:
    return " and ".join(TITLES[role] for role in roles)
