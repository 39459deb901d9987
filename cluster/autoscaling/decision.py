"""Values of autoscaling that are sent between processes and stored: bounds and decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Bounds:
    """An operator's floor and ceiling in replicas; None leaves the configured one.

    They apply until `until` (Unix seconds; None: until they are cleared).
    """

    floor: int | None = None
    ceiling: int | None = None
    until: float | None = None

    def is_active(self, now: float) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Decision:
    """A change of a deployment's target, or why a wanted change was not made.

    `at` is Unix seconds, `ready` the ready replicas. `bound` names the deciding factor: a policy
    (`queue`, `forecast`, ...), `cooldown`, `step`, `floor`, `ceiling`, `arbiter` or `failure`.
    `signals` are the metrics of the decision.
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
    """Stores decisions and provides bounds. Calls neither block nor raise."""

    def record(self, decision: Decision) -> None: ...

    def bounds(self, deployment: str) -> Bounds: ...
