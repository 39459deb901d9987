"""The numbers of the checks, for metrics. Labels: `dependency` is a configured name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DependencyFigures:
    """`kind` groups dependencies. `up` is 1, 0.5 (degraded) or 0 (down), None if the dependency is
    off or unknown; `since` is when that state began (Unix seconds, None before the first). Counters
    since the start of the process: `checks` that ended or timed out, `faults` of them that found
    the dependency degraded or down, `timeouts`, `skipped` (this process stood still), `changes` of
    the state. `latency_s` is of the last check that ended."""

    kind: str
    up: float | None
    since: float | None
    checks: int
    faults: int
    timeouts: int
    skipped: int
    changes: int
    latency_s: float | None


class DependencyFiguresSource(Protocol):
    """What a collector of metrics reads at a scrape; nothing is checked then."""

    def figures(self) -> Mapping[str, DependencyFigures]:
        """By the dependency's name."""
        ...
