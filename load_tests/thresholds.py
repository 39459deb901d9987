"""Whether a load test passed: figures in, the sentences of what was missed out. Pure.

Thresholds hold for all requests together, and from a YAML file for single routes by the name that
their users give them:

    default: {error_share: 0.001, p95_ms: 5000}     # every route that is not named
    routes:
      chat: {p95_ms: 800, p99_ms: 2000, min_requests: 100}
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

Ms = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Thresholds:
    """`error_share` of requests, times over all of them, `min_requests` for a meaningful run."""

    error_share: float = 0.001
    p95_ms: float = 5_000.0
    min_requests: int = 20
    p99_ms: float = math.inf


class Rule(BaseModel):
    """The limits of one route; those that are not set are not judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    error_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    p95_ms: Ms = math.inf
    p99_ms: Ms = math.inf
    min_requests: Annotated[int, Field(ge=0)] = 0

    def thresholds(self) -> Thresholds:
        return Thresholds(self.error_share, self.p95_ms, self.min_requests, self.p99_ms)


class Rules(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Rule = Rule()
    routes: dict[str, Rule] = {}


@dataclass(frozen=True)
class RouteStats:
    """What was measured of one route, or of all together."""

    requests: int
    failures: int
    p95_ms: float
    p99_ms: float = 0.0


def read_rules(path: Path) -> Rules:
    """Raises OSError, yaml.YAMLError, or pydantic's ValidationError naming the field at fault."""
    return Rules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def apply_rules(rules: Rules, routes: Mapping[str, RouteStats]) -> list[str]:
    """What each route missed; a route that is named in the rules has to occur."""
    faults = [
        f"{name}: {fault}"
        for name, route in routes.items()
        for fault in _missed(rules.routes.get(name, rules.default).thresholds(), route)
    ]
    absent = [name for name in rules.routes if name not in routes]
    return faults + [f"{name}: there was no request" for name in absent]


def list_missed(
    thresholds: Thresholds,
    requests: int,
    failures: int,
    p95_ms: float,
    broken: int = 0,
    p99_ms: float = 0.0,
) -> list[str]:
    """One sentence for each threshold that was not met; empty means passed.

    `broken` counts users' tasks that raised: then the figures are not those of the planned load.
    """
    raised = [f"{broken} tasks raised an error of their own; see the log"] if broken else []
    return raised + _missed(thresholds, RouteStats(requests, failures, p95_ms, p99_ms))


def _missed(thresholds: Thresholds, route: RouteStats) -> list[str]:
    faults = []
    if route.requests < thresholds.min_requests:
        faults.append(f"only {route.requests} requests; {thresholds.min_requests} make a run")
    share = route.failures / route.requests if route.requests else 1.0
    if share > thresholds.error_share:
        faults.append(f"{share:.2%} of requests failed; at most {thresholds.error_share:.2%} may")
    times = (("p95", route.p95_ms, thresholds.p95_ms), ("p99", route.p99_ms, thresholds.p99_ms))
    for name, took_ms, most_ms in times:
        if took_ms > most_ms:
            faults.append(f"{name} is {took_ms:.0f} ms; at most {most_ms:.0f} ms may be")
    return faults
