"""The states of a dependency, and what one check of it found."""

from dataclasses import dataclass
from enum import StrEnum


class DependencyState(StrEnum):
    """`off`: not configured. `unknown`: not checked yet, or there is nothing to check here."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    OFF = "off"
    UNKNOWN = "unknown"

    @property
    def severity(self) -> int:
        """0 for states that are no fault, 2 for the worst."""
        return {DependencyState.DEGRADED: 1, DependencyState.DOWN: 2}.get(self, 0)


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one check found. `detail` says what is wrong; it holds no secret."""

    state: DependencyState
    detail: str = ""


UP = CheckOutcome(DependencyState.UP)


def degraded(detail: str) -> CheckOutcome:
    return CheckOutcome(DependencyState.DEGRADED, detail)


def down(detail: str) -> CheckOutcome:
    return CheckOutcome(DependencyState.DOWN, detail)


def off(detail: str = "not configured") -> CheckOutcome:
    return CheckOutcome(DependencyState.OFF, detail)


def rate_answers(answers: int, total: int) -> CheckOutcome:
    """Of a dependency with `total` equal parts, of which `answers` have answered."""
    if answers == total:
        return UP
    if answers == 0:
        return down("does not answer")
    return degraded(f"{answers} of {total} answer")
