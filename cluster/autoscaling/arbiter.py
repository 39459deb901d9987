"""Arbitrates between deployments that demand more than the available resources. Pure.

In: each deployment's demand, its resources per replica, and the available resources. Out: replicas
for each deployment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Resources = Mapping[str, float]  # cpus, gpus, cost_per_hour -> amount

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class ReplicaDemand:
    """Demand for `wanted` replicas, at least `minimum`; each needs `uses` of shared resources."""

    deployment: str
    wanted: int
    minimum: int
    priority: int = 50
    cost_per_hour: float = 1.0
    uses: Resources = field(default_factory=dict)


def arbitrate(demands: Sequence[ReplicaDemand], available: Resources) -> dict[str, int]:
    """Deployment -> replicas; the full demand if it fits.

    Otherwise replicas are taken one at a time from a deployment that uses an overcommitted
    resource: of the lowest priority, then the highest cost, then the most above its minimum. Minima
    are granted even if they do not fit.
    """
    granted = {demand.deployment: max(demand.wanted, demand.minimum) for demand in demands}
    while short := _overcommitted(demands, granted, available):
        candidates = [
            candidate
            for candidate in demands
            if granted[candidate.deployment] > candidate.minimum and _uses(candidate, short)
        ]
        if not candidates:
            break
        victim = min(candidates, key=lambda demand: _priority_key(demand, granted))
        granted[victim.deployment] -= 1
    return granted


def _priority_key(demand: ReplicaDemand, granted: Mapping[str, int]) -> tuple[float, float, int]:
    return demand.priority, -demand.cost_per_hour, demand.minimum - granted[demand.deployment]


def _overcommitted(
    demands: Sequence[ReplicaDemand], granted: Mapping[str, int], available: Resources
) -> frozenset[str]:
    """The resources of which more is granted than available."""
    used = {
        name: sum(demand.uses.get(name, 0.0) * granted[demand.deployment] for demand in demands)
        for name in available
    }
    return frozenset(name for name, amount in used.items() if amount > available[name] + _TOLERANCE)


def _uses(demand: ReplicaDemand, short: frozenset[str]) -> bool:
    return any(demand.uses.get(name, 0.0) > 0 for name in short)
