"""`optimize_post`: a draft in; before and after by goal, with edits and their reasons, out.

Rules edit in the Text deployment. Models rewrite over the content models, all goals at once; what
they wrote goes to Text too, which cleans it up, checks and judges it. The ingress only passes on.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.content.optimization.rewriting import rewrite_messages
from deployments.content.optimization.task import OPTIMIZE, ModelRewrite, OptimizationTask
from deployments.content.validation import check_platform
from deployments.contracts.generation import GenerateRequest, Message, Sampling, TokenUsage
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.operations.content_models import ContentModels
from deployments.ingress.operations.engagement_models import EngagementModels
from deployments.ingress.pipeline.analysis_cache import Result
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline, AnalysisQuery
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.schemas.optimization import OptimizePostRequest

_CHARACTERS_A_TOKEN = 2  # of a written text, at least
_MIN_TOKENS, _MAX_TOKENS = 160, 4_096


@dataclass(frozen=True, slots=True)
class _GoalRewrite:
    """What a model wrote for one goal, or the problem that it ended in."""

    goal: str
    text: str = ""
    problem: Problem | None = None
    usage: TokenUsage = TokenUsage()


class OptimizePost:
    """Improves a draft towards goals and says why. Nothing that `keep` names is lost, no goal that
    was asked for falls by more than 0.02; where nothing helps, the text stays as it is. With
    `stream` (or an Accept of `text/event-stream` or `application/x-ndjson`) it answers with the
    events started, rewrite (as each model's answer is there), goal (one a goal), completed or
    error."""

    schema = OptimizePostRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.GENERATE
    can_stream = True

    def __init__(
        self,
        analysis: AnalysisPipeline,
        pipeline: ModelPipeline,
        writers: ContentModels,
        engagement: EngagementModels,
    ) -> None:
        self._analysis = analysis
        self._engagement = engagement
        self._pipeline = pipeline
        self._writers = writers

    async def answer(self, request: AdmittedRequest, body: OptimizePostRequest) -> dict[str, Any]:
        task, model = _task(body), self._model(request, body)
        async with aclosing(self._rewrites(request, body, task, model)) as rewrites:
            written = [rewrite async for rewrite in rewrites]
        result = await self._judge(request, task, written)
        return _answer(request, body, model, result, written)

    async def events(self, request: AdmittedRequest, body: OptimizePostRequest) -> Events:
        """started, rewrite, goal, completed."""
        task, model = _task(body), self._model(request, body)
        yield "started", {"goals": list(task.goals), "model": model}
        written: list[_GoalRewrite] = []
        async with aclosing(self._rewrites(request, body, task, model)) as rewrites:
            async for rewrite in rewrites:
                written.append(rewrite)
                yield "rewrite", {"goal": rewrite.goal, "text": rewrite.text or None}
        answer = _answer(request, body, model, await self._judge(request, task, written), written)
        for goal, score in answer["goals"].items():
            yield "goal", {"goal": goal, "result": score}
        yield "completed", answer

    def _model(self, request: AdmittedRequest, body: OptimizePostRequest) -> str | None:
        """Raises UnknownModel; None where rules alone edit."""
        if body.rewrite == "rules":
            return None
        return self._writers.resolve_name(request, body.model, (body.text,))

    async def _rewrites(
        self,
        request: AdmittedRequest,
        body: OptimizePostRequest,
        task: OptimizationTask,
        model: str | None,
    ) -> AsyncGenerator[_GoalRewrite, None]:
        """One for each goal, at once, in the order in which they are done."""
        if model is None:
            return
        tasks = [
            asyncio.create_task(self._rewrite(request, body, task, goal, model))
            for goal in task.goals
        ]
        try:
            for done in asyncio.as_completed(tasks):
                yield await done
        finally:
            for running in tasks:
                running.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _rewrite(
        self,
        request: AdmittedRequest,
        body: OptimizePostRequest,
        task: OptimizationTask,
        goal: str,
        model: str,
    ) -> _GoalRewrite:
        place = task.goals.index(goal)
        wanted = GenerateRequest(
            request_id=f"{request.request_id}-{goal}",
            caller=request.caller,
            model=model,
            messages=tuple(
                Message(turn["role"], turn["content"]) for turn in rewrite_messages(task, goal)
            ),
            sampling=Sampling(
                max_tokens=min(
                    _MAX_TOKENS, max(_MIN_TOKENS, len(task.text) // _CHARACTERS_A_TOKEN)
                ),
                temperature=0.7,
                top_p=0.95,
                seed=None if body.seed is None else body.seed + place,
            ),
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
        )
        try:
            completion = await self._pipeline.bind(request).generate(wanted)
        except Problem as problem:
            return _GoalRewrite(goal, problem=problem)
        text = completion.choices[0].text if completion.choices else ""
        return _GoalRewrite(goal, text, usage=completion.usage)

    async def _judge(
        self, request: AdmittedRequest, task: OptimizationTask, written: list[_GoalRewrite]
    ) -> Result:
        """Raises the first problem of the models where none of them wrote, and rules may not."""
        problems = [rewrite.problem for rewrite in written if rewrite.problem is not None]
        if problems and len(problems) == len(written) and not task.edits_by_rules:
            raise problems[0]
        order = sorted(written, key=lambda rewrite: task.goals.index(rewrite.goal))
        rewrites = tuple(ModelRewrite(each.goal, each.text) for each in order if not each.problem)
        model = await self._engagement.of(request) if "engagement" in task.goals else None
        learnt = "" if model is None else orjson.dumps(model).decode()
        options = replace(task, rewrites=rewrites, engagement=learnt).options()
        query = AnalysisQuery((task.text,), (OPTIMIZE,), {OPTIMIZE: options}, task.language)
        results = await self._analysis.analyze(query, request)
        return results[OPTIMIZE][0]


def _task(body: OptimizePostRequest) -> OptimizationTask:
    """Raises InvalidRequest for a platform that is not known."""
    check_platform(body.platform)
    return OptimizationTask(
        text=body.text,
        platform=body.platform,
        goals=tuple(dict.fromkeys(body.goals)),
        keep=tuple(dict.fromkeys(body.keep)),
        phrases=tuple(dict.fromkeys(body.phrases)),
        keywords=tuple(dict.fromkeys(body.keywords)),
        variants=body.variants,
        language=body.language or "",
        edits_by_rules=body.rewrite != "model",
    )


def _answer(
    request: AdmittedRequest,
    body: OptimizePostRequest,
    model: str | None,
    result: Result,
    written: list[_GoalRewrite],
) -> dict[str, Any]:
    value = dict(result["value"])
    failed = [
        {"goal": rewrite.goal, "reason": rewrite.problem.detail}
        for rewrite in written
        if rewrite.problem is not None
    ]
    value["refused_rewrites"] = [*value["refused_rewrites"], *failed]
    return {
        "id": f"optimization-{request.request_id}",
        "object": "post.optimization",
        "created": request.created,
        "by": result["by"],
        "model": model,
        **value,
        "usage": usage_body(sum((rewrite.usage for rewrite in written), TokenUsage())),
        "characters": len(body.text),
    }
