"""`group_texts`: which texts are about the same, and words that name each group."""

from typing import Any

from cluster.runtime.problems import NotInstalled
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.ingress.schemas.text_groups import GroupTextsRequest
from deployments.text.grouping import GROUPING
from deployments.text.joined_texts import join_texts


class GroupTexts:
    """Groups 2 to 256 texts by their meaning. Texts without words are in no group. A language that
    it does not know is answered with `supported` false."""

    schema = GroupTextsRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.GENERATE
    can_stream = False

    def __init__(self, pipeline: AnalysisPipeline) -> None:
        self._pipeline = pipeline

    async def answer(self, request: AdmittedRequest, body: GroupTextsRequest) -> dict[str, Any]:
        """Raises NotInstalled where there is no embedding model."""
        options = {GROUPING: {"texts": len(body.texts), "alike": body.alike}}
        texts = (join_texts(body.texts),)
        query = AnalysisQuery(texts, (GROUPING,), options, body.language or "")
        result = (await self._pipeline.analyze(query, request))[GROUPING][0]
        if result.get("install"):
            raise NotInstalled(result["reason"], result["install"])
        return {
            "id": f"groups-{request.request_id}",
            "object": "text.groups",
            "created": request.created,
            "supported": result["supported"],
            "reason": result.get("reason"),
            "groups": result.get("value") or [],
            "by": result["by"],
            "usage": {"characters": sum(map(len, body.texts))},
        }

    async def events(self, request: AdmittedRequest, body: GroupTextsRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)
