"""Turns the policies' replica counts into a target: bounds, steps, hysteresis, cooldown, a reason.

In: a MetricsSnapshot, each policy's replica count, the operator's bounds. Out: a Decision. Stores
only recent counts; the caller stores the target.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.spec import ScalingSpec

PolicyCounts = Mapping[str, float | None]  # policy -> replicas; None: it failed

_EPSILON = 1e-9


class ScalingBehavior:
    """Scales up at once, by at most the factor `step_up`; down by at most `step_down` a decision,
    to no less than the maximum count of the last `cooldown_s` plus `hysteresis`.

    A failed policy counts as the current target: others may scale up, none may scale down. While no
    replica is ready, one that was requested is kept: its caller may have left, but retries.
    """

    def __init__(self, deployment: str, spec: ScalingSpec) -> None:
        self._deployment = deployment
        self._spec = spec
        self._recent = _SlidingMax(spec.cooldown_s)

    def decide(self, metrics: MetricsSnapshot, counts: PolicyCounts, bounds: Bounds) -> Decision:
        """Decides the target; `Decision.target` equals `before` if nothing changes."""
        floor, ceiling = effective_bounds(self._spec, bounds, metrics.at)
        bound, wanted = _max_count(counts, metrics.target)
        with_hysteresis = _add_hysteresis(wanted, self._spec.hysteresis)
        if metrics.target and not metrics.ready:
            with_hysteresis = max(with_hysteresis, 1)
        recent_max = self._recent.update(metrics.at, with_hysteresis, metrics.target)
        decision = self._apply_steps(metrics, bound, wanted, recent_max)
        decision = _clamp(decision, floor, ceiling)
        return replace(decision, reason=self._reason(decision, wanted, counts))

    def _apply_steps(
        self, metrics: MetricsSnapshot, bound: str, wanted: float, recent_max: int
    ) -> Decision:
        """Applies cooldown and steps, before bounds."""
        before = metrics.target
        signals = metrics.known_values() | {"wanted": round(wanted, 3)}
        unchanged = Decision(
            self._deployment, metrics.at, metrics.ready, before, before, bound, "", signals
        )
        need = _round_up(wanted)
        if need > before:
            step_limit = math.ceil(max(1, before) * self._spec.step_up)
            return replace(
                unchanged,
                target=min(need, step_limit),
                bound="step" if step_limit < need else bound,
            )
        lower = max(recent_max, before - self._spec.step_down)
        if recent_max < before:
            return replace(unchanged, target=lower, bound="step" if recent_max < lower else bound)
        fits = _add_hysteresis(wanted, self._spec.hysteresis) < before
        return replace(unchanged, bound="cooldown" if fits else bound)

    def _reason(self, decision: Decision, wanted: float, counts: PolicyCounts) -> str:
        failed = sorted(name for name, count in counts.items() if count is None)
        policy_counts = ", ".join(
            f"{name} {count:.2f}" for name, count in counts.items() if count is not None
        )
        parts = [f"wanted {wanted:.2f} replicas ({policy_counts})"]
        if failed:
            parts.append(f"failed: {', '.join(failed)}")
        if decision.bound in _REASONS:
            parts.append(_REASONS[decision.bound].format(spec=self._spec, target=decision.target))
        return "; ".join(parts)


def keep_on_failure(deployment: str, metrics: MetricsSnapshot, reason: str) -> Decision:
    """A decision that keeps the target after a failure."""
    at, target = metrics.at, metrics.target
    return Decision(deployment, at, metrics.ready, target, target, "failure", reason)


def effective_bounds(spec: ScalingSpec, bounds: Bounds, at: float) -> tuple[int, int]:
    """Floor and ceiling: the operator's while they are active, within the configured ones.

    If the operator's floor is above the ceiling, the ceiling applies.
    """
    least, most = spec.min_replicas, spec.max_replicas
    if not bounds.is_active(at):
        return least, most
    ceiling = most if bounds.ceiling is None else min(most, max(least, bounds.ceiling))
    floor = least if bounds.floor is None else min(most, max(least, bounds.floor))
    return min(floor, ceiling), ceiling


class _SlidingMax:
    """The maximum of the last `window_s`; before the window is full at least the initial value (a
    restarted controller must not scale down at once)."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._entries: deque[tuple[float, int]] = deque()

    def update(self, at: float, value: int, initial: int) -> int:
        entries = self._entries
        if not entries:
            value = max(value, initial)
        while entries and entries[-1][1] <= value:
            entries.pop()
        entries.append((at, value))
        while entries[0][0] < at - self._window_s:
            entries.popleft()
        return entries[0][1]


def _max_count(counts: PolicyCounts, target: int) -> tuple[str, float]:
    """The policy with the highest count; a failed one counts as the current target."""
    candidates = [
        ("failure", float(target)) if count is None else (name, count)
        for name, count in counts.items()
    ]
    return max(candidates, key=lambda pair: pair[1])


def _clamp(decision: Decision, floor: int, ceiling: int) -> Decision:
    if decision.target > ceiling:
        return replace(decision, target=ceiling, bound="ceiling")
    if decision.target < floor:
        return replace(decision, target=floor, bound="floor")
    return decision


def _round_up(wanted: float) -> int:
    return math.ceil(wanted - _EPSILON)


def _add_hysteresis(wanted: float, hysteresis: float) -> int:
    """The count with a margin of `hysteresis`, rounded up."""
    return _round_up(wanted * (1 + hysteresis))


_REASONS = {
    "cooldown": "as many were needed in the last {spec.cooldown_s:g} s",
    "step": "at most {spec.step_up:g} times up or {spec.step_down} down a decision",
    "floor": "the floor is {target}",
    "ceiling": "the ceiling is {target}",
    "failure": "so there is no scale-down",
}
