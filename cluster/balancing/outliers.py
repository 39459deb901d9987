"""Outlier detection among the replicas in use. Pure.

In: each replica's window, last sign of life and open calls. Out: names with reasons, the strongest
outlier first. Every test compares with the other replicas: a fault of all is no outlier.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from cluster.balancing.replica_state import Dispatch
from cluster.balancing.spec import EjectionSpec
from cluster.balancing.window import OutcomeWindow

_MIN_STANDARD_ERRORS = (
    4.0  # a smaller distance from the others' mean, in standard errors, may be chance
)
_LONG_DEVIATIONS = 2.0  # open calls count beyond so many standard deviations
_FAILURE_RATIO = 2.0
_MIN_SPREAD = 0.05  # minimum spread, for equal times


@dataclass(frozen=True, slots=True)
class OutlierCandidate:
    name: str
    window: OutcomeWindow
    last_alive: float
    open_calls: Iterable[Dispatch]


def outliers(
    spec: EjectionSpec, candidates: Sequence[OutlierCandidate], now: float
) -> list[tuple[str, str]]:
    """Names and reasons: `silent`, `failing`, `slow`."""
    silent = _silent(spec, candidates, now)
    if len(silent) == len(candidates):
        silent = []
    failing = [name for name in _failing(spec, candidates) if name not in silent]
    known = {*silent, *failing}
    slow = [name for name in _slow(spec, candidates, now) if name not in known]
    return [
        *((name, "silent") for name in silent),
        *((name, "failing") for name in failing),
        *((name, "slow") for name in slow),
    ]


def baseline(spec: EjectionSpec, candidates: Iterable[OutlierCandidate]) -> float | None:
    """The median of the replicas' mean log times; None if none has enough times."""
    means = [
        candidate.window.mean
        for candidate in candidates
        if candidate.window.times >= spec.min_requests
    ]
    return median(means) if means else None


def _silent(spec: EjectionSpec, candidates: Iterable[OutlierCandidate], now: float) -> list[str]:
    """Replicas without any sign of life since the dispatch of a call that has waited too long."""
    return [
        candidate.name
        for candidate in candidates
        if any(
            not call.alive
            and not call.over
            and (call.condemned or now - call.sent_at >= spec.silence_s)
            and candidate.last_alive < call.sent_at
            for call in candidate.open_calls
        )
    ]


def _failing(spec: EjectionSpec, candidates: Sequence[OutlierCandidate]) -> list[str]:
    shares = {
        candidate.name: candidate.window.failed / candidate.window.count
        for candidate in candidates
        if candidate.window.count >= spec.min_requests
    }
    failing = []
    for name, share in shares.items():
        others = [other for key, other in shares.items() if key != name]
        typical = median(others) if others else 0.0
        if share >= spec.failures and share >= _FAILURE_RATIO * typical:
            failing.append(name)
    return sorted(failing, key=lambda name: -shares[name])


def _slow(spec: EjectionSpec, candidates: Sequence[OutlierCandidate], now: float) -> list[str]:
    typical = baseline(spec, candidates)
    if typical is None:
        return []
    spread, min_excess = _spread(candidates), math.log(spec.slowness)
    long = typical + max(min_excess, _LONG_DEVIATIONS * spread)
    means = {candidate.name: _mean(candidate, long, now) for candidate in candidates}
    means = {name: mean for name, mean in means.items() if mean[1] >= spec.min_requests}
    slow_by: dict[str, float] = {}
    for name, (mean, count) in means.items():
        others = [other for key, other in means.items() if key != name]
        if not others:
            continue
        excess = mean - median(other for other, _ in others)
        error = spread * math.sqrt(1 / count + 1 / sum(number for _, number in others))
        if excess >= max(min_excess, _MIN_STANDARD_ERRORS * error):
            slow_by[name] = excess
    return sorted(slow_by, key=lambda name: -slow_by[name])


def _mean(candidate: OutlierCandidate, long: float, now: float) -> tuple[float, int]:
    """Mean log time and its number of samples; open calls that are older than `long` count with
    their present age."""
    ages = [
        math.log(now - call.sent_at)
        for call in candidate.open_calls
        if not call.over and now > call.sent_at
    ]
    ages = [age for age in ages if age > long]
    count = candidate.window.times + len(ages)
    return ((candidate.window.total + sum(ages)) / count if count else 0.0), count


def _spread(candidates: Iterable[OutlierCandidate]) -> float:
    """Pooled standard deviation of log times within replicas."""
    windows = [candidate.window for candidate in candidates if candidate.window.times > 1]
    freedom = sum(window.times - 1 for window in windows)
    if not freedom:
        return math.inf
    return max(_MIN_SPREAD, math.sqrt(sum(window.deviations for window in windows) / freedom))
