"""What ingress replicas say of the dependencies, and the cluster's view, merged of all of them.

A dependency is down if it is down for every replica that checks it; degraded if any of them finds a
fault; off or unknown if it is so for all. Pure; the reports cross processes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.health.state import DependencyState
from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class DependencyStatus:
    """`state` is a DependencyState's value; `since` and `checked_at` are Unix seconds (None: not
    checked yet), `latency_s` is of the last check that ended. `detail` says what is wrong."""

    name: str
    kind: str
    state: str
    consequence: str
    since: float | None = None
    checked_at: float | None = None
    latency_s: float | None = None
    detail: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True)
class HealthReport:
    """All dependencies as one replica sees them. `node` is the address of its machine."""

    replica: str
    node: str
    dependencies: tuple[DependencyStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class DependencySummary:
    """A dependency in the cluster's view, and how each replica sees it."""

    status: DependencyStatus
    reports: Sequence[tuple[HealthReport, DependencyStatus]]


def merge_reports(reports: Iterable[HealthReport]) -> list[DependencySummary]:
    """The dependencies in the order in which they were reported first."""
    by_name: dict[str, list[tuple[HealthReport, DependencyStatus]]] = {}
    for report in sorted(reports, key=lambda each: (each.node, each.replica)):
        for status in report.dependencies:
            by_name.setdefault(status.name, []).append((report, status))
    return [DependencySummary(_merge(seen), seen) for seen in by_name.values()]


def worst_state(summaries: Iterable[DependencySummary]) -> DependencyState:
    """`up`, `degraded` or `down`: the worst of all dependencies."""
    states = [DependencyState(each.status.state) for each in summaries]
    worst = max(states, key=lambda state: state.severity, default=DependencyState.UP)
    return worst if worst.severity else DependencyState.UP


def _merge(seen: Sequence[tuple[HealthReport, DependencyStatus]]) -> DependencyStatus:
    by_state: dict[DependencyState, list[DependencyStatus]] = {}
    for _, status in seen:
        by_state.setdefault(DependencyState(status.state), []).append(status)
    worst = max(by_state, key=_rank)
    those = by_state[worst]
    rated = sum(len(by_state.get(state, ())) for state in _RATED)
    latencies = [each.latency_s for _, each in seen if each.latency_s is not None]
    checks = [each.checked_at for _, each in seen if each.checked_at is not None]
    merged = replace(
        those[0],
        since=min((each.since for each in those if each.since is not None), default=None),
        latency_s=max(latencies, default=None),
        checked_at=max(checks, default=None),
    )
    if worst.severity == 0 or len(those) == rated:
        return merged
    detail = f"{worst} for {len(those)} of {rated} replicas: {those[0].detail}"
    return replace(merged, state=DependencyState.DEGRADED.value, detail=detail)


_RATED = (DependencyState.UP, DependencyState.DEGRADED, DependencyState.DOWN)
_RANKS: Mapping[DependencyState, int] = {
    DependencyState.OFF: 0,
    DependencyState.UNKNOWN: 1,
    DependencyState.UP: 2,
    DependencyState.DEGRADED: 3,
    DependencyState.DOWN: 4,
}


def _rank(state: DependencyState) -> int:
    return _RANKS[state]
