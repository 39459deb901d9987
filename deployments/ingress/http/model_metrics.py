"""Calls of models by the ingress replicas for Prometheus, and the links that carry them.

In: each replica's counts by model (model_registry.py: ModelRegistry.resilience). Out: their sums,
in the text exposition format. Serve's own series lack the calls that go over links
(deployments/clients/link).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "mobula_model_"
_CALLS = (
    ("calls", "Calls of the model."),
    ("attempts", "Attempts at those calls: retries and hedges are further ones."),
    ("retries", "Attempts after one that failed."),
    ("hedges", "Attempts beside one that was slow."),
    ("refused", "Calls that an open circuit breaker refused."),
    ("fallbacks", "Calls that another model answered."),
)
_LINKS = (
    ("opened", "Links to replicas that were opened."),
    ("failed", "Attempts to open a link that failed."),
    ("by_handle", "Attempts at calls by handle, as their replica had no link."),
)

CallReport = Mapping[str, Mapping[str, Any]]  # by model


def render_models(reports: Sequence[CallReport]) -> bytes:
    """The sums of all replicas. One falls when a replica ends: use `rate()` and `increase()`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_ModelSource(reports))
    return generate_latest(registry)


class _ModelSource(Collector):
    def __init__(self, reports: Sequence[CallReport]) -> None:
        self._reports = reports
        self._models = sorted({model for report in reports for model in report})

    def collect(self) -> Iterator[Metric]:
        for name, description in _CALLS:
            yield self._fill(
                CounterMetricFamily(PREFIX + name, description, labels=["model"]), name
            )
        links = GaugeMetricFamily(
            PREFIX + "links", "Links to replicas that are up.", labels=["model"]
        )
        yield self._fill(links, "links", of_links=True)
        for name, description in _LINKS:
            family = CounterMetricFamily(f"{PREFIX}links_{name}", description, labels=["model"])
            yield self._fill(family, name, of_links=True)

    def _fill(
        self, family: CounterMetricFamily | GaugeMetricFamily, name: str, *, of_links: bool = False
    ) -> Metric:
        for model in self._models:
            counts = [report[model] for report in self._reports if model in report]
            if of_links:
                counts = [count["links"] for count in counts if "links" in count]
            family.add_metric([model], sum(count[name] for count in counts))
        return family
