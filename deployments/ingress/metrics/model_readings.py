"""How one replica's calls of models went, as the catalogue names the figures.

In: the registry's counts, this process's view of replicas, the providers. Out: readings.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cluster.balancing.replica_set import ReplicaSet
from cluster.metrics.catalogue import models
from cluster.metrics.series import Reading
from deployments.providers.provided_model import REMEMBERED_S
from deployments.providers.provider_model import ProviderModel

CallReport = Mapping[str, Mapping[str, Any]]  # by model (model_registry.py)
_CALLS = (
    (models.CALLS, "calls"),
    (models.ATTEMPTS, "attempts"),
    (models.RETRIES, "retries"),
    (models.HEDGES, "hedges"),
    (models.REFUSED, "refused"),
    (models.FALLBACKS, "fallbacks"),
)
_LINKS = (
    (models.LINKS, "links"),
    (models.LINKS_OPENED, "opened"),
    (models.LINKS_FAILED, "failed"),
    (models.LINKS_BY_HANDLE, "by_handle"),
)
_BREAKER = {"closed": 0, "half-open": 1, "open": 2}


def model_readings(report: CallReport) -> Iterator[Reading]:
    for metric, name in _CALLS:
        yield metric, [((model,), counts[name]) for model, counts in report.items()]
    linked = {model: counts["links"] for model, counts in report.items() if "links" in counts}
    for metric, name in _LINKS:
        yield metric, [((model,), links[name]) for model, links in linked.items()]
    states = {model: counts["breaker"]["state"] for model, counts in report.items()}
    yield models.BREAKER, [((model,), _BREAKER[state]) for model, state in states.items()]
    yield (
        models.BREAKER_TRANSITIONS,
        [
            ((model, to), counts["breaker"][count])
            for model, counts in report.items()
            for to, count in (("open", "opened"), ("closed", "closed"))
        ],
    )


def balancing_readings(
    deployments: Mapping[str, str], replica_set: Callable[[str], ReplicaSet]
) -> Iterator[Reading]:
    """`deployments` are those of models, by model id; `replica_set` knows the replicas of one."""
    sets = [(name, replica_set(name)) for name in deployments.values()]
    yield (
        models.ROUTED,
        [((name, choice), n) for name, each in sets for choice, n in each.choices.items()],
    )
    yield (
        models.EJECTED,
        [
            ((name,), sum(bool(status.ejected_because) for status in each.statuses().values()))
            for name, each in sets
        ],
    )


def provider_readings(providers: Mapping[str, ProviderModel], now: float) -> Iterator[Reading]:
    """`now` is monotonic seconds."""
    outcomes = ("finished", "failed", "cancelled")
    yield (
        models.PROVIDER_ATTEMPTS,
        [
            ((id, outcome), getattr(model.caller.counts, outcome))
            for id, model in providers.items()
            for outcome in outcomes
        ],
    )
    yield (
        models.UPSTREAM_UP,
        [
            ((id, upstream.name), int(upstream.failure(now, REMEMBERED_S) is None))
            for id, model in providers.items()
            for upstream in model.caller.upstreams.values()
        ],
    )
