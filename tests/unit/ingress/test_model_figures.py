"""What a replica tells of its calls of models."""

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.resilient_call import CallStats, ResilientCaller
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import ManualClock
from deployments.clients.link.pool import LinkStats
from deployments.ingress.model_registry import ModelRegistry
from tests.api.fakes import WordsModel


class CountedModel(WordsModel):
    """One whose calls are counted."""

    def __init__(self) -> None:
        super().__init__()
        clock = ManualClock()
        self.calls = ResilientCaller(
            "far", ResilienceSpec(), ReplicaSet(RoutingSpec(), clock), clock
        )

    def figures(self) -> CallStats:
        return self.calls.figures()


def test_counts_and_breaker_of_each_model_on_the_far_side_of_a_handle() -> None:
    spec = ResilienceSpec(fallback=("near",))
    models = ModelRegistry(
        {"far": CountedModel(), "near": WordsModel()}, ManualClock(), resilience={"far": spec}
    )
    models.record_fallback("far")

    told = models.resilience()

    assert set(told) == {"far"}
    assert told["far"]["fallbacks"] == 1
    assert told["far"]["breaker"]["state"] == "closed"
    assert {"calls", "attempts", "retries", "hedges", "refused"} <= set(told["far"])
    assert models.fallbacks["far"] == ("near",)
    assert "near" not in models.fallbacks


class LinkedWords(CountedModel):
    """One whose replicas are called over links."""

    def link_stats(self) -> LinkStats | None:
        return LinkStats(links=2, opened=3, failed=1, by_handle=4)


def test_links_of_each_model_that_has_them() -> None:
    told = ModelRegistry({"linked": LinkedWords(), "far": CountedModel()}, ManualClock())
    figures = told.resilience()
    assert figures["linked"]["links"] == {"links": 2, "opened": 3, "failed": 1, "by_handle": 4}
    assert "links" not in figures["far"]
