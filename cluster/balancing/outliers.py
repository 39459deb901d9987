"""Who stands out among the replicas that are in use. Pure.

Flows in: each one's window, its last sign of life and its open calls. Flows out: names with
reasons, the clearest case first. Every test is against the others: what befalls all of them alike
is no replica's fault.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from cluster.balancing.replica_state import Dispatch
from cluster.balancing.spec import EjectionSpec
from cluster.balancing.window import OutcomeWindow

_ERRORS = 4.0  # a mean that lies fewer standard errors above the others' may be chance
_LONG = 2.0  # standard deviations: an open call longer than that says something
_TIMES_THE_OTHERS = 2.0
_LEAST_LOG = 0.05  # what is known of the spread of equal times


@dataclass(frozen=True, slots=True)
class OutlierCandidate:
    name: str
    window: OutcomeWindow
    last_sign: float
    open_calls: Iterable[Dispatch]


def outliers(
    spec: EjectionSpec, suspects: Sequence[OutlierCandidate], now: float
) -> list[tuple[str, str]]:
    """Names and reasons: `silent`, `failing`, `slow`."""
    silent = _silent(spec, suspects, now)
    if len(silent) == len(suspects):
        silent = []
    failing = [name for name in _failing(spec, suspects) if name not in silent]
    known = {*silent, *failing}
    slow = [name for name in _slow(spec, suspects, now) if name not in known]
    return [
        *((name, "silent") for name in silent),
        *((name, "failing") for name in failing),
        *((name, "slow") for name in slow),
    ]


def baseline(spec: EjectionSpec, suspects: Iterable[OutlierCandidate]) -> float | None:
    """The median of the mean log times of those with enough of them; None without any."""
    means = [each.window.mean for each in suspects if each.window.times >= spec.min_requests]
    return median(means) if means else None


def _silent(spec: EjectionSpec, suspects: Iterable[OutlierCandidate], now: float) -> list[str]:
    """No sign of life at all since a call was sent that has waited too long for its own."""
    return [
        each.name
        for each in suspects
        if any(
            not call.alive
            and not call.over
            and (call.condemned or now - call.sent_at >= spec.silence_s)
            and each.last_sign < call.sent_at
            for call in each.open_calls
        )
    ]


def _failing(spec: EjectionSpec, suspects: Sequence[OutlierCandidate]) -> list[str]:
    shares = {
        each.name: each.window.failed / each.window.count
        for each in suspects
        if each.window.count >= spec.min_requests
    }
    found = []
    for name, share in shares.items():
        others = [other for key, other in shares.items() if key != name]
        usual = median(others) if others else 0.0
        if share >= spec.failures and share >= _TIMES_THE_OTHERS * usual:
            found.append(name)
    return sorted(found, key=lambda name: -shares[name])


def _slow(spec: EjectionSpec, suspects: Sequence[OutlierCandidate], now: float) -> list[str]:
    usual = baseline(spec, suspects)
    if usual is None:
        return []
    spread, over = _spread(suspects), math.log(spec.slowness)
    long = usual + max(over, _LONG * spread)
    means = {each.name: _mean(each, long, now) for each in suspects}
    means = {name: mean for name, mean in means.items() if mean[1] >= spec.min_requests}
    found: dict[str, float] = {}
    for name, (mean, count) in means.items():
        others = [other for key, other in means.items() if key != name]
        if not others:
            continue
        by = mean - median(other for other, _ in others)
        error = spread * math.sqrt(1 / count + 1 / sum(number for _, number in others))
        if by >= max(over, _ERRORS * error):
            found[name] = by
    return sorted(found, key=lambda name: -found[name])


def _mean(suspect: OutlierCandidate, long: float, now: float) -> tuple[float, int]:
    """Mean log time and how many it is of; open calls count once they are longer than `long`,
    as long as they have been so far."""
    ages = [
        math.log(now - call.sent_at)
        for call in suspect.open_calls
        if not call.over and now > call.sent_at
    ]
    ages = [age for age in ages if age > long]
    count = suspect.window.times + len(ages)
    return ((suspect.window.total + sum(ages)) / count if count else 0.0), count


def _spread(suspects: Iterable[OutlierCandidate]) -> float:
    """Standard deviation of a log time within a replica, over all of them."""
    windows = [each.window for each in suspects if each.window.times > 1]
    freedom = sum(window.times - 1 for window in windows)
    if not freedom:
        return math.inf
    return max(_LEAST_LOG, math.sqrt(sum(window.deviations for window in windows) / freedom))
