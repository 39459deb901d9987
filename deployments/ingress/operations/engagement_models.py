"""The engagement model of each tenant, learnt from the outcomes of its own posts and of nobody's
else.

In: a tenant. Out: the model as JSON, or None where its outcomes give none. Each is asked of Text at
most once in REFRESH_S, by the first request that wants it; until then, and where that fails, texts
are ranked by the prior.
"""

import logging
from collections import OrderedDict
from typing import Any

from cluster.administration.outcomes import OutcomeService
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.content.engagement import MIN_OUTCOMES
from deployments.content.engagement_fit import ENGAGEMENT_FIT, MAX_POSTS, MAX_READ
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery

logger = logging.getLogger("mobula.ingress")

REFRESH_S = 3_600.0
MAX_TENANTS = 10_000
Model = dict[str, Any]


class EngagementModels:
    """On one event loop. `outcomes` None: there is no store."""

    def __init__(
        self, analysis: AnalysisPipeline, outcomes: OutcomeService | None, clock: Clock
    ) -> None:
        self._analysis = analysis
        self._outcomes = outcomes
        self._now = clock.monotonic
        self._known: OrderedDict[str, tuple[float, Model | None]] = OrderedDict()

    async def of(self, request: AdmittedRequest) -> Model | None:
        """None: the prior."""
        tenant = request.caller.tenant
        known = self._known.get(tenant)
        if known is not None and self._now() < known[0]:
            return known[1]
        old = None if known is None else known[1]
        self._remember(tenant, old)  # others do not ask meanwhile
        try:
            model = await self._learn(request)
        except Problem:
            logger.warning("no engagement model of tenant %s", tenant, exc_info=True)
            return old
        self._remember(tenant, model)
        return model

    async def _learn(self, request: AdmittedRequest) -> Model | None:
        if self._outcomes is None:
            return None
        posts = await self._outcomes.of_published_posts(request.caller.tenant, MAX_POSTS)
        if len(posts) < MIN_OUTCOMES:
            return None
        rows = [
            (post.platform, post.body[:MAX_READ], post.impressions, post.engagements)
            for post in posts
        ]
        query = AnalysisQuery(("",), (ENGAGEMENT_FIT,), {ENGAGEMENT_FIT: {"posts": rows}}, "en")
        [result] = (await self._analysis.analyze(query, request))[ENGAGEMENT_FIT]
        model: Model = result["value"]
        return None if model["basis"] == "prior" else model

    def _remember(self, tenant: str, model: Model | None) -> None:
        self._known[tenant] = (self._now() + REFRESH_S, model)
        self._known.move_to_end(tenant)
        if len(self._known) > MAX_TENANTS:
            self._known.popitem(last=False)
