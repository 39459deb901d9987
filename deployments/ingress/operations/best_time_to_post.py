"""`best_time_to_post`: outcomes of posts in; the hours of the week that did best, out."""

from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.content.posting_time import POSTING_TIME
from deployments.content.validation import check_platform
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.ingress.schemas.posting_time import PostingTimeRequest


class BestTimeToPost:
    """Finds the hours of the week in which your posts did best, from what came of them; of too few
    it says so. With a `text` it also tries every hour, number of hashtags and length for it."""

    schema = PostingTimeRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, analysis: AnalysisPipeline) -> None:
        self._analysis = analysis

    async def answer(self, request: AdmittedRequest, body: PostingTimeRequest) -> dict[str, Any]:
        check_platform(body.platform)
        options = {
            "platform": body.platform,
            "zone": body.zone,
            "count": body.count,
            "outcomes": [(each.at, each.impressions, each.engagements) for each in body.outcomes],
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
            **result["value"],
        }

    async def events(self, request: AdmittedRequest, body: PostingTimeRequest) -> Events:
        """One event, the answer."""
        yield None, await self.answer(request, body)
