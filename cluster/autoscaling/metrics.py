"""Metrics of one deployment at one time, the input of policies.

In: target and ready replicas, open requests as counted by callers, and the latest report of each
replica. Out: a `MetricsSnapshot`. Knows no policy and no Serve.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from cluster.autoscaling.spec import ScalingSpec

Report = Mapping[str, float]  # of one replica: name -> value
QUANTILES = (0.5, 0.9, 0.95, 0.99)  # of latencies, as replicas report them


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """`at` is Unix seconds; `target` replicas are requested and `ready` of them are ready.

    Sums over the deployment: open `requests`, `tokens` in flight, `arrivals_per_s`. Per replica:
    its token capacity `tokens_each`, and the mean shares of `cpu` and `memory`. `latency_s` is the
    quantile of the spec, 0 without requests. NaN: unknown.
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

    def known_values(self) -> dict[str, float]:
        """The known values by name, for the decision's record."""
        names = ("requests", "tokens", "latency_s", "cpu", "memory", "arrivals_per_s")
        values = {name: float(getattr(self, name)) for name in names}
        return {name: round(value, 4) for name, value in values.items() if math.isfinite(value)}


def snapshot(
    at: float,
    target: int,
    ready: int,
    requests: float,
    reports: Iterable[Report],
    spec: ScalingSpec,
) -> MetricsSnapshot:
    """The metrics of a deployment; replicas without a report count as average.

    `requests` is what callers count, links among them, which replicas report (deployments/clients/
    link). Callers may miss open requests and new replicas have not reported: the larger count is
    used. Without any report of ready replicas the values are NaN.
    """
    report_list = list(reports)
    if not ready:
        return MetricsSnapshot(
            at, target, 0, requests, tokens=0.0, latency_s=0.0, cpu=0.0, memory=0.0
        )
    links = ready * mean(report_list, "links")  # each counts as a request that is never answered
    if links > 0:
        requests = max(0.0, requests - links)
    replica_requests = ready * (mean(report_list, "running") + mean(report_list, "queued"))
    return MetricsSnapshot(
        at=at,
        target=target,
        ready=ready,
        requests=max(requests, replica_requests) if report_list else math.nan,
        tokens=ready * mean(report_list, "tokens"),
        tokens_each=mean(report_list, "tokens_capacity"),
        latency_s=_latency(report_list, spec),
        cpu=mean(report_list, "cpu_share"),
        memory=mean(report_list, "memory_share"),
        cold_start_s=_median(report_list, "cold_start_s"),
        arrivals_per_s=ready * mean(report_list, "arrivals_per_s"),
    )


def latency_name(latency: str, quantile: float) -> str:
    """The metric's name in reports, with the next higher reported quantile."""
    reported_quantile = next((q for q in QUANTILES if q >= quantile - 1e-9), QUANTILES[-1])
    return f"{latency}_p{reported_quantile * 100:g}_s"


def mean(reports: Iterable[Report], name: str) -> float:
    """The mean of the replicas that reported it; NaN if none did."""
    values = [report[name] for report in reports if name in report]
    return sum(values) / len(values) if values else math.nan


def _median(reports: Iterable[Report], name: str) -> float:
    values = [report[name] for report in reports if report.get(name, 0.0) > 0]
    return median(values) if values else math.nan


def _latency(reports: Iterable[Report], spec: ScalingSpec) -> float:
    """The replicas' quantiles, weighted by their arrivals."""
    name = latency_name(spec.latency, spec.latency_quantile)
    pairs = [(r[name], r.get("arrivals_per_s", 1.0)) for r in reports if name in r]
    weight = sum(arrivals for _, arrivals in pairs)
    if weight > 0:
        return sum(value * arrivals for value, arrivals in pairs) / weight
    return 0.0 if pairs else math.nan
