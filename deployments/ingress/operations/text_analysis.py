"""`analyze_text`: what operations of text analysis say of one text, or of many."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from cluster.runtime.problems import NotInstalled
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.text_classifiers import NamedClassifiers
from deployments.ingress.pipeline.analysis_cache import Result
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.ingress.schemas.text import AnalyzeTextRequest
from deployments.text.analysis import find_operations
from deployments.text.entities import ENTITIES


class AnalyzeText:
    """Analyses a text, or up to 64. With `stream` (or an Accept of `text/event-stream` or
    `application/x-ndjson`) it answers with the events started, one `operation_result` an operation
    as soon as it is known, completed or error. An operation that is not installed, or does not know
    a text's language, says so itself; 501 is answered where none is installed."""

    schema = AnalyzeTextRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(self, pipeline: AnalysisPipeline, classifiers: NamedClassifiers) -> None:
        self._pipeline = pipeline
        self._classifiers = classifiers

    async def answer(self, request: AdmittedRequest, body: AnalyzeTextRequest) -> dict[str, Any]:
        query = await self._query(request, body)
        results = await self._pipeline.analyze(query, request)
        _check_installed(results)
        answer = _head(request, query)
        if body.text is not None:
            return answer | {"results": {name: rows[0] for name, rows in results.items()}}
        items = [
            {"index": index, "results": {name: rows[index] for name, rows in results.items()}}
            for index in range(len(query.texts))
        ]
        return answer | {"items": items}

    async def events(self, request: AdmittedRequest, body: AnalyzeTextRequest) -> Events:
        """started, operation_result, completed."""
        query = await self._query(request, body)
        total = len(query.operations)
        yield "started", {"operations": list(query.operations), "texts": len(query.texts)}
        done = 0
        stream = self._pipeline.stream(query, request, _groups(query.operations))
        async with aclosing(stream) as parts:
            async for operation, results in parts:
                done += 1
                event: dict[str, Any] = {"operation": operation}
                if body.text is not None:
                    event["result"] = results[0]
                else:
                    event["results"] = results
                yield "operation_result", event | {"progress": {"done": done, "total": total}}
        yield "completed", _head(request, query)

    async def _query(self, request: AdmittedRequest, body: AnalyzeTextRequest) -> AnalysisQuery:
        operations = tuple(dict.fromkeys(body.operations))
        options = await self._classifiers.resolve(request.caller.tenant, body.options)
        return AnalysisQuery(body.all_texts(), operations, options, body.language or "")


def _groups(operations: Sequence[str]) -> list[list[str]]:
    """What needs no vectors answers together, before anything that does; the rest each by
    itself."""
    quick: list[str] = []
    groups = [quick]
    for operation in find_operations(operations):
        if operation.needs_vectors or operation.name == ENTITIES:
            groups.append([operation.name])
        else:
            quick.append(operation.name)
    return [group for group in groups if group]


def _head(request: AdmittedRequest, query: AnalysisQuery) -> dict[str, Any]:
    return {
        "id": f"analysis-{request.request_id}",
        "object": "text.analysis",
        "created": request.created,
        "usage": {"characters": sum(map(len, query.texts))},
    }


def _check_installed(results: dict[str, list[Result]]) -> None:
    """Raises NotInstalled where no operation is."""
    answers = [result for rows in results.values() for result in rows]
    if answers and all(answer.get("install") for answer in answers):
        raise NotInstalled(answers[0]["reason"], answers[0]["install"])
