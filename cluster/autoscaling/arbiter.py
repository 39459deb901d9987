"""Who gives way when deployments want more than there is. Pure.

Flows in: what each deployment claims, what its replicas use, and what there is of each resource.
Flows out: replicas for each. Knows nothing of why they are wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Resources = Mapping[str, float]  # cpus, gpus, cost_per_hour -> amount

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class ReplicaDemand:
    """`wanted` replicas, never less than `least`; each uses `uses` of the shared resources."""

    deployment: str
    wanted: int
    least: int
    priority: int = 50
    cost_per_hour: float = 1.0
    uses: Resources = field(default_factory=dict)


def arbitrate(claims: Sequence[ReplicaDemand], available: Resources) -> dict[str, int]:
    """Deployment -> replicas; all of what is wanted, where it fits.

    Else one replica after another is given up, of a deployment that uses what is short: the least
    important first, of equals the dearest, then the one furthest above its least. Minima are
    kept even where they do not fit.
    """
    granted = {claim.deployment: max(claim.wanted, claim.least) for claim in claims}
    while short := _short(claims, granted, available):
        givers = [c for c in claims if granted[c.deployment] > c.least and _uses(c, short)]
        if not givers:
            break
        giver = min(givers, key=lambda claim: _standing(claim, granted))
        granted[giver.deployment] -= 1
    return granted


def _standing(claim: ReplicaDemand, granted: Mapping[str, int]) -> tuple[float, float, int]:
    return claim.priority, -claim.cost_per_hour, claim.least - granted[claim.deployment]


def _short(
    claims: Sequence[ReplicaDemand], granted: Mapping[str, int], available: Resources
) -> frozenset[str]:
    """The resources of which more is granted than there is."""
    used = {
        name: sum(claim.uses.get(name, 0.0) * granted[claim.deployment] for claim in claims)
        for name in available
    }
    return frozenset(name for name, amount in used.items() if amount > available[name] + _TOLERANCE)


def _uses(claim: ReplicaDemand, short: frozenset[str]) -> bool:
    return any(claim.uses.get(name, 0.0) > 0 for name in short)
