"""What autoscaling decides and is told, as it crosses processes and is kept.

Flows in: figures of one deployment, and what an operator has laid down by hand. Flows out: a
decision with its reason. Plain values: the policies make them, the notebook writes them down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Bounds:
    """An operator's floor and ceiling in replicas; None leaves the configured one.

    `until` is Unix seconds after which they no longer hold (None: until they are taken back).
    """

    floor: int | None = None
    ceiling: int | None = None
    until: float | None = None

    def is_active(self, now: float) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Decision:
    """One change of a deployment's target, or why one that was wanted did not come.

    `at` is Unix seconds; `ready` replicas answered then. `bound` names what decided: a policy
    (`queue`, `forecast`, ...), `cooldown`, `step`, `floor`, `ceiling`, `arbiter` or `failure`.
    `signals` are the figures that it was decided from.
    """

    deployment: str
    at: float
    ready: int
    before: int
    target: int
    bound: str
    reason: str
    signals: Mapping[str, float] = field(default_factory=dict)


class DecisionStore(Protocol):
    """Where decisions go and bounds come from. Neither call waits, raises or loses the loop."""

    def record(self, decision: Decision) -> None: ...

    def bounds(self, deployment: str) -> Bounds: ...
