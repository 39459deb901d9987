"""How the dependencies are, as this replica's background checks have found them.

In: the runner's figures and report. Out: readings; nothing is checked for them.
"""

from collections.abc import Iterator, Mapping

from cluster.health.figures import DependencyFigures
from cluster.health.report import HealthReport
from cluster.metrics.catalogue import health
from cluster.metrics.series import Reading


def health_readings(
    figures: Mapping[str, DependencyFigures], report: HealthReport, now: float
) -> Iterator[Reading]:
    """`now` is Unix seconds."""
    found = figures.items()
    yield health.UP, [((name,), each.up) for name, each in found if each.up is not None]
    yield (
        health.STATE_AGE,
        [
            ((status.name,), max(0.0, now - status.since))
            for status in report.dependencies
            if status.since is not None
        ],
    )
    latencies = [(name, each.latency_s) for name, each in found]
    yield health.LATENCY, [((name,), value) for name, value in latencies if value is not None]
    yield (
        health.CHECKS,
        [
            ((name, outcome), count)
            for name, each in found
            for outcome, count in _outcomes(each).items()
        ],
    )
    yield health.CHANGES, [((name,), each.changes) for name, each in found]


def _outcomes(figures: DependencyFigures) -> Mapping[str, int]:
    """Timeouts are among the faults of `figures`, but not of this."""
    return {
        "good": figures.checks - figures.faults,
        "fault": figures.faults - figures.timeouts,
        "timeout": figures.timeouts,
        "skipped": figures.skipped,
    }
