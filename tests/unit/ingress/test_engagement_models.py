"""Engagement models of tenants: learnt once an hour, from their own outcomes, the prior else."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import orjson
import pytest

from cluster.administration.outcomes import OutcomeService
from cluster.outcomes.model import PublishedPostOutcome
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Overloaded
from cluster.tenants.caller import Caller
from deployments.content.engagement_fit import ENGAGEMENT_FIT, EngagementFit
from deployments.content.optimization.operation import PostOptimization
from deployments.content.optimization.task import OptimizationTask
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.operations.engagement_models import REFRESH_S, EngagementModels
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.text.operation import AnalyzedText

ASKS, TELLS = "Do you like our bar? We do, number {}.", "The bar is here, number {}."


def posts(count: int) -> tuple[PublishedPostOutcome, ...]:
    """Those with a question do better."""
    chance = np.random.default_rng(2)
    found = []
    for number in range(count):
        asks = chance.random() < 0.5
        body = (ASKS if asks else TELLS).format(number) + " Cake and tea." * int(chance.integers(5))
        done = int(chance.binomial(1_000, 0.10 if asks else 0.04))
        found.append(PublishedPostOutcome(float(number), "instagram", body, 1_000, done))
    return tuple(found)


class Outcomes:
    """Of each tenant as many as `counts` says."""

    def __init__(self, **counts: int) -> None:
        self.counts = counts
        self.asked: list[str] = []

    async def of_published_posts(self, tenant: str, limit: int) -> tuple[PublishedPostOutcome, ...]:
        self.asked.append(tenant)
        return posts(self.counts[tenant])[:limit]


class Analysis:
    """Runs the fit here; fails while `error` is set."""

    error: Exception | None = None

    async def analyze(self, query: AnalysisQuery, request: object) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        options = query.options[ENGAGEMENT_FIT]
        return {ENGAGEMENT_FIT: [EngagementFit().analyze(AnalyzedText(""), options, None).body()]}


class Request:
    def __init__(self, tenant: str) -> None:
        self.caller = Caller(tenant, "key", frozenset())


def models(outcomes: Outcomes, analysis: Analysis, clock: ManualClock) -> EngagementModels:
    return EngagementModels(cast(AnalysisPipeline, analysis), cast(OutcomeService, outcomes), clock)


def of(tenant: str) -> AdmittedRequest:
    return cast(AdmittedRequest, Request(tenant))


async def test_a_tenant_with_outcomes_has_a_model_and_another_has_none() -> None:
    outcomes, clock = Outcomes(acme=400, few=199), ManualClock()
    known = models(outcomes, Analysis(), clock)

    model = await known.of(of("acme"))
    assert model is not None
    assert (model["basis"], model["outcomes"]) == ("outcomes", 400)
    assert model["spearman"] > 0.5
    assert await known.of(of("few")) is None

    assert await known.of(of("acme")) is model
    assert outcomes.asked == ["acme", "few"]
    clock.advance(REFRESH_S + 1)
    await known.of(of("acme"))
    assert outcomes.asked == ["acme", "few", "acme"]


async def test_a_model_stays_while_a_new_one_cannot_be_learnt() -> None:
    analysis, clock = Analysis(), ManualClock()
    known = models(Outcomes(acme=400), analysis, clock)
    model = await known.of(of("acme"))
    analysis.error = Overloaded("busy", retry_after_s=1.0)
    clock.advance(REFRESH_S + 1)

    assert await known.of(of("acme")) is model


async def test_without_a_store_texts_are_ranked_by_the_prior() -> None:
    known = EngagementModels(cast(AnalysisPipeline, Analysis()), None, ManualClock())

    assert await known.of(of("acme")) is None


@pytest.mark.parametrize(("text", "is_better"), [(ASKS, True), (TELLS, False)])
async def test_the_optimisation_judges_engagement_by_the_model(text: str, is_better: bool) -> None:
    model = await models(Outcomes(acme=400), Analysis(), ManualClock()).of(of("acme"))
    task = OptimizationTask(
        text.format(1), "instagram", ("engagement",), engagement=orjson.dumps(model).decode()
    )

    value = PostOptimization().analyze(AnalyzedText(task.text, "en"), task.options(), None).value
    goal = value["goals"]["engagement"]

    assert (goal["basis"], goal["outcomes"], goal["by"]) == ("outcomes", 400, "engagement-ridge@1")
    assert (goal["before"] > 0.5) is is_better
