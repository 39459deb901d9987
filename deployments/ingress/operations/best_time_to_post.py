"""`best_time_to_post`: outcomes of posts in; the hours of the week that did best, out."""

from typing import Any

from cluster.administration.outcomes import OutcomeService
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.content.posting_time import MAX_OUTCOMES, POSTING_TIME
from deployments.content.validation import check_platform
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.ingress.schemas.posting_time import PostingTimeRequest


class BestTimeToPost:
    """Finds the hours of the week in which your posts did best, from what came of them: as you send
    it, or of the posts in the library. Of too few it says so. With a `text` it also tries every
    hour, number of hashtags and length for it."""

    schema = PostingTimeRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, analysis: AnalysisPipeline, outcomes: OutcomeService | None) -> None:
        """`outcomes` are those of the library's posts (None: there is no store)."""
        self._analysis = analysis
        self._outcomes = outcomes

    async def answer(self, request: AdmittedRequest, body: PostingTimeRequest) -> dict[str, Any]:
        check_platform(body.platform)
        source, outcomes = await self._rows(request, body)
        options = {
            "platform": body.platform,
            "zone": body.zone,
            "count": body.count,
            "outcomes": outcomes,
        }
        text = body.text or ""
        query = AnalysisQuery((text,), (POSTING_TIME,), {POSTING_TIME: options})
        [result] = (await self._analysis.analyze(query, request))[POSTING_TIME]
        return {
            "id": f"timing-{request.request_id}",
            "object": "post.timing",
            "created": request.created,
            "by": result["by"],
            "zone": body.zone,
            "source": source,
            **result["value"],
        }

    async def _rows(
        self, request: AdmittedRequest, body: PostingTimeRequest
    ) -> tuple[str, list[tuple[float, int, int]]]:
        """Where outcomes are from, and rows of a time, impressions and engagements."""
        if body.outcomes is not None:
            given = body.outcomes
            return "request", [(each.at, each.impressions, each.engagements) for each in given]
        caller = request.caller
        if self._outcomes is None or not caller.allows(Scope.ANALYTICS_READ):
            return "none", []
        found = await self._outcomes.of_published_posts(caller.tenant, MAX_OUTCOMES)
        rows = [(each.published, each.impressions, each.engagements) for each in found]
        return "library", [row for row in rows if row[1]]

    async def events(self, request: AdmittedRequest, body: PostingTimeRequest) -> Events:
        """One event, the answer."""
        yield None, await self.answer(request, body)
