"""The consequence of a failure for a job: its end, or another attempt later. Pure.

Flows in: a Problem, the number of attempts, randomness. Flows out: seconds to wait, and the problem
as a job stores it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from cluster.runtime.problems import Problem

_RETRYABLE = frozenset({408, 409, 429})  # of the 4xx: a later attempt may succeed


class LeaseExpired(Problem):
    """The worker died in the last attempt."""

    slug, title = "attempts-used-up", "All attempts failed"

    def __init__(self, attempts: int) -> None:
        super().__init__(f"The worker did not come back in attempt {attempts}, the last.")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """After attempt n: 2^n seconds, at most `longest_s`, and up to `jitter` of that more."""

    longest_s: float = 300.0
    jitter: float = 0.25

    def pause(self, attempts: int, problem: Problem, random: Random) -> float:
        """Seconds until the next attempt; never less than the problem's own Retry-After."""
        pause = min(2.0 ** min(attempts, 30), self.longest_s)
        retry_after_s = float(problem.extensions.get("retry_after_s") or 0.0)
        return max(pause, retry_after_s) * (1 + random.uniform(0, self.jitter))


def is_final(problem: Problem) -> bool:
    """Whether another attempt would fail in the same way."""
    return 400 <= problem.status < 500 and problem.status not in _RETRYABLE


def stored_problem(problem: Problem, *, retryable: bool) -> Mapping[str, Any]:
    """The problem as a job's row stores it: constant texts and the detail, never a traceback."""
    return {
        "slug": problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "retryable": retryable,
    }
