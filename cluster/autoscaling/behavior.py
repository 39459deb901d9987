"""From what policies want to what is asked for: bounds, steps, hysteresis, cooldown, a reason.

Flows in: a Reading, what each policy wants, an operator's bounds. Flows out: a Decision. Keeps
only what was wanted lately; the target itself is the caller's.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.spec import ScalingSpec

Wants = Mapping[str, float | None]  # policy -> replicas; None: it failed

_EPSILON = 1e-9


class ScalingBehavior:
    """Up at once, by at most `step_up` times; down by at most `step_down` a decision, to no less
    than what was wanted at any time in the last `cooldown_s`, with `hysteresis` to spare.

    A policy that failed wants what there is: the others may still ask for more, nobody for less.
    While none answers, one that was asked for is not given up: the caller for whom Serve started
    it may have gone meanwhile, but comes back.
    """

    def __init__(self, deployment: str, spec: ScalingSpec) -> None:
        self._deployment = deployment
        self._spec = spec
        self._recent = _Highest(spec.cooldown_s)

    def decide(self, reading: MetricsSnapshot, wants: Wants, bounds: Bounds) -> Decision:
        """`Decision.target` is what to ask for now; it equals `before` where nothing changes."""
        floor, ceiling = effective_bounds(self._spec, bounds, reading.at)
        bound, wanted = _most(wants, reading.target)
        room = _with_room(wanted, self._spec.hysteresis)
        if reading.target and not reading.ready:
            room = max(room, 1)
        spared = self._recent.highest(reading.at, room, reading.target)
        decided = self._timed(reading, bound, wanted, spared)
        decided = _within(decided, floor, ceiling)
        return replace(decided, reason=self._reason(decided, wanted, wants))

    def _timed(self, reading: MetricsSnapshot, bound: str, wanted: float, spared: int) -> Decision:
        """What time and steps allow, before bounds."""
        before = reading.target
        signals = reading.figures() | {"wanted": round(wanted, 3)}
        keep = Decision(
            self._deployment, reading.at, reading.ready, before, before, bound, "", signals
        )
        need = _whole(wanted)
        if need > before:
            most = math.ceil(max(1, before) * self._spec.step_up)
            return replace(keep, target=min(need, most), bound="step" if most < need else bound)
        lower = max(spared, before - self._spec.step_down)
        if spared < before:
            return replace(keep, target=lower, bound="step" if spared < lower else bound)
        fits = _with_room(wanted, self._spec.hysteresis) < before
        return replace(keep, bound="cooldown" if fits else bound)

    def _reason(self, decision: Decision, wanted: float, wants: Wants) -> str:
        failed = sorted(name for name, want in wants.items() if want is None)
        said = ", ".join(f"{n} {w:.2f}" for n, w in wants.items() if w is not None)
        parts = [f"wanted {wanted:.2f} replicas ({said})"]
        if failed:
            parts.append(f"no answer from {', '.join(failed)}")
        if decision.bound in _WHY:
            parts.append(_WHY[decision.bound].format(spec=self._spec, target=decision.target))
        return "; ".join(parts)


def keep_on_failure(deployment: str, reading: MetricsSnapshot, why: str) -> Decision:
    """The target stays, because nothing could be decided."""
    at, target = reading.at, reading.target
    return Decision(deployment, at, reading.ready, target, target, "failure", why)


def effective_bounds(spec: ScalingSpec, bounds: Bounds, at: float) -> tuple[int, int]:
    """Floor and ceiling: the operator's while they hold, within the configured ones.

    Where an operator's floor is above the ceiling, the ceiling counts.
    """
    least, most = spec.min_replicas, spec.max_replicas
    if not bounds.is_active(at):
        return least, most
    ceiling = most if bounds.ceiling is None else min(most, max(least, bounds.ceiling))
    floor = least if bounds.floor is None else min(most, max(least, bounds.floor))
    return min(floor, ceiling), ceiling


class _Highest:
    """The largest of the numbers of the last `window_s`; before the window is full, no less than
    was there at its start (a controller that starts anew must not shrink what it finds)."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._falling: deque[tuple[float, int]] = deque()

    def highest(self, at: float, value: int, there: int) -> int:
        falling = self._falling
        if not falling:
            value = max(value, there)
        while falling and falling[-1][1] <= value:
            falling.pop()
        falling.append((at, value))
        while falling[0][0] < at - self._window_s:
            falling.popleft()
        return falling[0][1]


def _most(wants: Wants, target: int) -> tuple[str, float]:
    """The policy that wants the most, and how much; a failed one wants what there is."""
    found = [
        ("failure", float(target)) if want is None else (name, want) for name, want in wants.items()
    ]
    return max(found, key=lambda pair: pair[1])


def _within(decision: Decision, floor: int, ceiling: int) -> Decision:
    if decision.target > ceiling:
        return replace(decision, target=ceiling, bound="ceiling")
    if decision.target < floor:
        return replace(decision, target=floor, bound="floor")
    return decision


def _whole(wanted: float) -> int:
    return math.ceil(wanted - _EPSILON)


def _with_room(wanted: float, hysteresis: float) -> int:
    """So many that the need would have to grow by `hysteresis` to ask for one more."""
    return _whole(wanted * (1 + hysteresis))


_WHY = {
    "cooldown": "as many were needed in the last {spec.cooldown_s:g} s",
    "step": "at most {spec.step_up:g} times up or {spec.step_down} down a decision",
    "floor": "the floor is {target}",
    "ceiling": "the ceiling is {target}",
    "failure": "so nothing is taken away",
}
