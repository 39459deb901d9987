"""Findings of guardrails for Prometheus.

In: each ingress replica's counts (guardrails/figures.py). Out: their sums, in the text exposition
format.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from deployments.guardrails.figures import GuardrailReport


def render_guardrails(reports: Sequence[GuardrailReport]) -> bytes:
    """The sums of all replicas. One falls when a replica ends: use `rate()` and `increase()`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_GuardrailSource(reports))
    return generate_latest(registry)


class _GuardrailSource(Collector):
    def __init__(self, reports: Sequence[GuardrailReport]) -> None:
        self._sums: Counter[tuple[str, str, str, str]] = Counter()
        for report in reports:
            self._sums.update(report)

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "mobula_guardrail_findings",
            "What rules of guardrails have found, by what was done; unchecked: a rule could not be "
            "asked.",
            labels=["policy", "rule", "action", "direction"],
        )
        for labels, count in sorted(self._sums.items()):
            family.add_metric(labels, count)
        yield family
