"""What is checked, how often, and what it means for callers when it is away."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cluster.health.state import CheckOutcome

INTERVAL_S = 5.0
TIMEOUT_S = 1.0
CHECKS_AT_ONCE = 8  # replicas that check one dependency each INTERVAL_S; more take turns


@dataclass(frozen=True, slots=True)
class Dependency:
    """`check` finds how it is, or raises: then it is down. It is asked every `interval_s`, first
    after `delay_s`, and has `timeout_s`; one that takes longer than `slow_s` is degraded (None: no
    time is too long). `kind` groups dependencies, `consequence` says what happens without it.
    """

    name: str
    kind: str
    check: Callable[[], Awaitable[CheckOutcome]]
    consequence: str
    interval_s: float = INTERVAL_S
    timeout_s: float = TIMEOUT_S
    slow_s: float | None = 0.5
    delay_s: float = 0.0


def stretch_interval(interval_s: float, replicas: int) -> float:
    """The interval at which each of `replicas` checks a dependency that all of them share, so that
    it is asked no more than CHECKS_AT_ONCE times in `interval_s`."""
    return interval_s * max(1.0, replicas / CHECKS_AT_ONCE)
