"""What policies decide from: one deployment's figures at one moment.

Flows in: how many replicas there are and are asked for, open requests as callers count them, and
the newest report of each replica. Flows out: a `MetricsSnapshot`. Knows no policy and no Serve.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from cluster.autoscaling.spec import ScalingSpec

Report = Mapping[str, float]  # what one replica said: name -> figure
QUANTILES = (0.5, 0.9, 0.95, 0.99)  # of latencies, that replicas report


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """`at` is Unix seconds; `target` replicas are asked for and `ready` of them answer.

    Sums over the deployment: open `requests`, `tokens` in flight, `arrivals_per_s`. Of a replica:
    the `tokens_each` that it holds at most, and the mean shares of `cpu` and `memory`.
    `latency_s` is the quantile that the spec names, 0 while nothing was asked. NaN: not known.
    """

    at: float
    target: int
    ready: int
    requests: float
    tokens: float = math.nan
    tokens_each: float = math.nan
    latency_s: float = math.nan
    cpu: float = math.nan
    memory: float = math.nan
    cold_start_s: float = math.nan
    arrivals_per_s: float = math.nan

    def figures(self) -> dict[str, float]:
        """What is known, by name, for the decision's record."""
        names = ("requests", "tokens", "latency_s", "cpu", "memory", "arrivals_per_s")
        found = {name: float(getattr(self, name)) for name in names}
        return {name: round(value, 4) for name, value in found.items() if math.isfinite(value)}


def snapshot(
    at: float,
    target: int,
    ready: int,
    requests: float,
    reports: Iterable[Report],
    spec: ScalingSpec,
) -> MetricsSnapshot:
    """The figures of a deployment; replicas that have not reported are taken for average.

    Callers may miss open requests and replicas may be too new to have told: the larger count is
    believed. Without any report of ready replicas nothing is known: NaN.
    """
    told = list(reports)
    if not ready:
        return MetricsSnapshot(
            at, target, 0, requests, tokens=0.0, latency_s=0.0, cpu=0.0, memory=0.0
        )
    served = ready * (mean(told, "running") + mean(told, "queued"))
    return MetricsSnapshot(
        at=at,
        target=target,
        ready=ready,
        requests=max(requests, served) if told else math.nan,
        tokens=ready * mean(told, "tokens"),
        tokens_each=mean(told, "tokens_capacity"),
        latency_s=_latency(told, spec),
        cpu=mean(told, "cpu_share"),
        memory=mean(told, "memory_share"),
        cold_start_s=_middle(told, "cold_start_s"),
        arrivals_per_s=ready * mean(told, "arrivals_per_s"),
    )


def latency_name(latency: str, quantile: float) -> str:
    """The report's name for it: the next quantile that is reported, upwards."""
    kept = next((q for q in QUANTILES if q >= quantile - 1e-9), QUANTILES[-1])
    return f"{latency}_p{kept * 100:g}_s"


def mean(reports: Iterable[Report], name: str) -> float:
    """Of those who told; NaN if nobody did."""
    found = [report[name] for report in reports if name in report]
    return sum(found) / len(found) if found else math.nan


def _middle(reports: Iterable[Report], name: str) -> float:
    found = [report[name] for report in reports if report.get(name, 0.0) > 0]
    return median(found) if found else math.nan


def _latency(reports: Iterable[Report], spec: ScalingSpec) -> float:
    """The replicas' quantiles, each counted by what it was asked: one that idles says little."""
    name = latency_name(spec.latency, spec.latency_quantile)
    pairs = [(r[name], r.get("arrivals_per_s", 1.0)) for r in reports if name in r]
    weight = sum(asked for _, asked in pairs)
    if weight > 0:
        return sum(value * asked for value, asked in pairs) / weight
    return 0.0 if pairs else math.nan
