"""`captions`, `posts` and their batches: the native operations over the content pipelines."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from cluster.runtime.problems import InvalidRequest, Problem, UnknownModel
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.content.brief import Brief
from deployments.content.pipelines import (
    batch_captions,
    batch_posts,
    generate_captions,
    generate_posts,
    stream_captions,
    stream_posts,
)
from deployments.content.platforms import platform, platforms
from deployments.content.registry import ProviderRegistry
from deployments.content.results import (
    BatchOutcome,
    CaptionSet,
    Completed,
    ContentRequest,
    Delta,
    Event,
    Started,
    Variant,
    VariantDone,
    VariantFailed,
)
from deployments.contracts.generation import TokenUsage
from deployments.contracts.text_generator import TextGenerator
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.problems import native_body
from deployments.ingress.http.streaming import Events
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.operations.content_models import ContentModels, Item
from deployments.ingress.operations.content_saver import ContentSaver
from deployments.ingress.operations.content_sources import (
    BriefSources,
    ContentSources,
    with_citations,
    with_sources,
)
from deployments.ingress.operations.prompt_templates import PromptTemplates
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.schemas.content import (
    CaptionBatchRequest,
    CaptionRequest,
    PostBatchRequest,
    PostItem,
    PostRequest,
)
from deployments.ingress.schemas.tools import schema_text

One = TypeVar("One", CaptionRequest, PostRequest)
Many = TypeVar("Many", CaptionBatchRequest, PostBatchRequest)


@dataclass(frozen=True)
class _Pipeline:
    """One content pipeline: a whole answer, a stream of events, a batch."""

    generate: Callable[[TextGenerator, ContentRequest], Awaitable[CaptionSet]]
    stream: Callable[[TextGenerator, ContentRequest], AsyncGenerator[Event, None]]
    batch: Callable[
        [TextGenerator, ProviderRegistry, Sequence[ContentRequest]],
        Awaitable[tuple[BatchOutcome, ...]],
    ]


_CAPTIONS = _Pipeline(generate_captions, stream_captions, batch_captions)
_POSTS = _Pipeline(generate_posts, stream_posts, batch_posts)


class _Single(Generic[One]):
    """One brief: ranked variants, whole or as events."""

    schema: type[One]
    request_class = RequestClass.GENERATE
    scope = Scope.GENERATE
    can_stream = True
    kind: Literal["captions", "posts"]
    pipeline: _Pipeline

    def __init__(
        self,
        model_pipeline: ModelPipeline,
        writers: ContentModels,
        templates: PromptTemplates,
        saver: ContentSaver,
        sources: ContentSources,
    ) -> None:
        self._model_pipeline = model_pipeline
        self._writers = writers
        self._templates = templates
        self._saver = saver
        self._sources = sources

    async def answer(self, request: AdmittedRequest, body: One) -> dict[str, Any]:
        body = self._writers.with_defaults(request, body)
        await self._saver.check(request, body)
        if body.template is not None:
            body = await self._templates.brief(request, body, body.template)
        content_request, sources = await self._content_request(request, body)
        generator = self._model_pipeline.bind(request)
        result = await self.pipeline.generate(generator, content_request)
        answer = with_citations(self._body(request, body, result), sources)
        return await self._saver.save(request, body, answer)

    async def events(self, request: AdmittedRequest, body: One) -> Events:
        """started, delta, variant, variant_failed, completed."""
        body = self._writers.with_defaults(request, body)
        await self._saver.check(request, body)
        if body.template is not None:
            body = await self._templates.brief(request, body, body.template)
        content_request, sources = await self._content_request(request, body)
        generator = self._model_pipeline.bind(request)
        async with aclosing(self.pipeline.stream(generator, content_request)) as events:
            async for event in events:
                if isinstance(event, Completed):
                    answer = with_citations(self._body(request, body, event.result), sources)
                    yield "completed", await self._saver.save(request, body, answer)
                else:
                    yield _event(event, request)

    async def _content_request(
        self, request: AdmittedRequest, body: One
    ) -> tuple[ContentRequest, BriefSources | None]:
        model = self._writers.resolve(request, body)
        content_request = _content_request(request, body, model)
        sources = await self._sources.find(request, body, model)
        return with_sources(content_request, sources), sources

    def _body(self, request: AdmittedRequest, body: One, result: CaptionSet) -> dict[str, Any]:
        return _answer(f"{self.kind}-{request.request_id}", self.kind, request, body, result)


class _BatchOperation(Generic[Many]):
    """Many briefs: a result or a problem for each."""

    schema: type[Many]
    request_class = RequestClass.BATCH
    scope = Scope.GENERATE
    can_stream = False
    kind: Literal["captions", "posts"]
    pipeline: _Pipeline

    def __init__(
        self,
        model_pipeline: ModelPipeline,
        writers: ContentModels,
        templates: PromptTemplates,
        saver: ContentSaver,
        sources: ContentSources,
    ) -> None:
        self._model_pipeline = model_pipeline
        self._writers = writers
        self._templates = templates
        self._saver = saver
        self._sources = sources

    async def answer(self, request: AdmittedRequest, body: Many) -> dict[str, Any]:
        await self._saver.check_batch(request, body)
        items = [self._writers.with_defaults(request, item) for item in body.items]
        body = body.model_copy(update={"items": items})
        outcomes, sources = await self._outcomes(request, body)
        results = [
            self._result(request, body, outcome, sources.get(outcome.index)) for outcome in outcomes
        ]
        succeeded = [outcome.result for outcome in outcomes if outcome.result is not None]
        usage = sum((result.usage for result in succeeded), TokenUsage())
        answer = {
            "id": f"{self.kind}-batch-{request.request_id}",
            "object": f"{self.kind}.batch",
            "created": request.created,
            "succeeded": len(succeeded),
            "failed": len(results) - len(succeeded),
            "results": results,
            "usage": usage_body(usage),
        }
        return await self._saver.save_batch(request, body, answer)

    async def _outcomes(
        self, request: AdmittedRequest, body: Many
    ) -> tuple[list[BatchOutcome], dict[int, BriefSources | None]]:
        """In the order of the items; one whose template cannot be rendered, or whose sources are
        not found, fails alone. Beside them the sources, by item."""
        content_requests: dict[int, ContentRequest] = {}
        outcomes: list[BatchOutcome] = []
        sources: dict[int, BriefSources | None] = {}
        for index, item in enumerate(body.items):
            brief: Item = item
            if item.template is not None:
                param = f"items.{index}.template"
                try:
                    brief = await self._templates.brief(request, item, item.template, param)
                except Problem as problem:
                    outcomes.append(BatchOutcome(index, problem=problem))
                    continue
                await asyncio.sleep(0)  # other requests run between long renderings
            try:
                item_request = self._item_request(request, brief, index)
                param = f"items.{index}."
                found = await self._sources.find(request, brief, item_request.model, param)
                sources[index] = found
                content_requests[index] = with_sources(item_request, found)
            except InvalidRequest as problem:  # of its pictures
                outcomes.append(BatchOutcome(index, problem=problem))
            except Problem as problem:
                if not brief.has_sources:
                    raise
                outcomes.append(BatchOutcome(index, problem=problem))
        generator, requests = self._model_pipeline.bind(request), list(content_requests.values())
        indexes = list(content_requests)
        for outcome in await self.pipeline.batch(generator, self._writers.providers, requests):
            outcomes.append(replace(outcome, index=indexes[outcome.index]))
        return sorted(outcomes, key=lambda outcome: outcome.index), sources

    async def events(self, request: AdmittedRequest, body: Many) -> Events:
        """One event, the answer."""
        yield None, await self.answer(request, body)

    def _item_request(self, request: AdmittedRequest, item: Item, index: int) -> ContentRequest:
        """A name that leads to no model is left to the batch, where it fails by itself. Raises
        InvalidRequest for pictures."""
        id = f"{request.request_id}-{index}"
        try:
            model = self._writers.resolve(request, item, id)
        except UnknownModel:
            model = item.model or DEFAULT
        return _content_request(request, item, model, id, f"items.{index}.images")

    def _result(
        self,
        request: AdmittedRequest,
        body: Many,
        outcome: BatchOutcome,
        sources: BriefSources | None,
    ) -> dict[str, Any]:
        if outcome.result is None:
            assert outcome.problem is not None
            error = native_body(outcome.problem, request.request_id)
            return {"index": outcome.index, "status": "failed", "error": error}
        name = f"{self.kind}-{request.request_id}-{outcome.index}"
        item = body.items[outcome.index]
        result = with_citations(_answer(name, self.kind, request, item, outcome.result), sources)
        return {"index": outcome.index, "status": "ok", "result": result}


class Captions(_Single[CaptionRequest]):
    """Writes captions for one topic: variants side by side, cleaned, kept to the platform's limits
    and ranked. With `stream` (or an Accept of `text/event-stream` or `application/x-ndjson`) it
    answers with the events started, delta, variant, variant_failed, completed or error."""

    schema, kind, pipeline = CaptionRequest, "captions", _CAPTIONS


class Posts(_Single[PostRequest]):
    """Writes posts of several paragraphs about a topic, or rewrites a draft. Answers and events are
    those of captions."""

    schema, kind, pipeline = PostRequest, "posts", _POSTS


class CaptionBatch(_BatchOperation[CaptionBatchRequest]):
    """Writes captions for up to 100 briefs in parallel; a brief that fails does so alone."""

    schema, kind, pipeline = CaptionBatchRequest, "captions", _CAPTIONS


class PostBatch(_BatchOperation[PostBatchRequest]):
    """Writes posts for up to 100 briefs in parallel; a brief that fails does so alone."""

    schema, kind, pipeline = PostBatchRequest, "posts", _POSTS


def _content_request(
    request: AdmittedRequest,
    item: Item,
    model: str,
    request_id: str | None = None,
    images: str = "images",
) -> ContentRequest:
    """`images` is where the item's pictures stand in the body. Raises ImageRefused."""
    return ContentRequest(
        request_id=request_id or request.request_id,
        caller=request.caller,
        brief=_brief(item),
        model=model,
        variants=item.variants,
        seed=item.seed,
        timeout_s=request.timeout_s("ingress"),
        priority=request.priority,
        output_schema=(
            "" if item.output_schema is None else schema_text(item.output_schema, "output_schema")
        ),
        image_sources=item.image_sources(images) if item.images else (),
    )


def _brief(item: Item) -> Brief:
    return Brief(
        topic=item.topic or "",
        platform=item.platform,
        style=item.style,
        tone=item.tone,
        length=item.length,
        draft=item.draft if isinstance(item, PostItem) else None,
        audience=item.audience,
        keywords=tuple(item.keywords),
        hashtags=_hashtags(item),
        emoji=item.emoji,
        call_to_action=item.call_to_action,
        language=item.language,
        pictures=len(item.images),
    )


def _hashtags(item: Item) -> int:
    """As many as were asked for; of the default, what the platform takes. A platform that is not
    known is refused with the brief."""
    known = {site.name: site for site in platforms()}
    if "hashtags" in item.model_fields_set or item.platform not in known:
        return item.hashtags
    return min(item.hashtags, known[item.platform].max_hashtags)


def _answer(
    name: str, kind: str, request: AdmittedRequest, item: Item, result: CaptionSet
) -> dict[str, Any]:
    return {
        "id": name,
        "object": kind,
        "created": request.created,
        "model": result.model,
        "prompt_version": result.prompt_version,
        "platform": platform(item.platform).name,
        "variants": [_variant(variant) for variant in result.variants],
        "duplicates": list(result.duplicates),
        "failures": [
            {"index": failure.index, "error": native_body(failure.problem, request.request_id)}
            for failure in result.failures
        ],
        "usage": usage_body(result.usage),
    }


def _variant(variant: Variant) -> dict[str, Any]:
    fields = {} if variant.fields is None else {"fields": variant.fields}
    return {
        "index": variant.index,
        "text": variant.text,
        "body": variant.body,
        "hashtags": list(variant.hashtags),
        "characters": len(variant.text),
        "score": round(variant.score, 4),
        "subscores": {
            part.name: {
                "score": round(part.value, 4),
                "weight": round(part.weight, 4),
                "reason": part.reason,
            }
            for part in variant.subscores
        },
        "finish_reason": variant.finish_reason,
        "truncated": variant.truncated,
        **fields,
    }


def _event(
    event: Started | Delta | VariantDone | VariantFailed, request: AdmittedRequest
) -> tuple[str, dict[str, Any]]:
    match event:
        case Started():
            return "started", {"variants": event.variants, "model": event.model}
        case Delta():
            return "delta", {"variant": event.variant, "text": event.text}
        case VariantDone():
            return "variant", {"variant": event.variant, "result": _variant(event.result)}
        case VariantFailed():
            return "variant_failed", {
                "variant": event.variant,
                "error": _problem(event.problem, request),
            }


def _problem(problem: Problem, request: AdmittedRequest) -> dict[str, Any]:
    return native_body(problem, request.request_id)
