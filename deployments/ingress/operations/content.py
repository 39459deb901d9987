"""`captions`, `posts` and their batches: the native operations over the content pipelines."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from cluster.runtime.problems import Problem
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
from deployments.content.platforms import platform
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
from deployments.contracts.generation import TextGenerator, TokenUsage
from deployments.ingress.context import RequestContext
from deployments.ingress.http.problems import native_body
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.schemas.content import (
    CaptionBatchRequest,
    CaptionItem,
    CaptionRequest,
    PostBatchRequest,
    PostItem,
    PostRequest,
)

Item = CaptionItem | PostItem
One = TypeVar("One", CaptionRequest, PostRequest)
Many = TypeVar("Many", CaptionBatchRequest, PostBatchRequest)


@dataclass(frozen=True)
class _Pipeline:
    """The three forms of one content pipeline."""

    generate: Callable[[TextGenerator, ContentRequest], Awaitable[CaptionSet]]
    stream: Callable[[TextGenerator, ContentRequest], AsyncGenerator[Event, None]]
    batch: Callable[
        [ProviderRegistry, Sequence[ContentRequest]], Awaitable[tuple[BatchOutcome, ...]]
    ]


_CAPTIONS = _Pipeline(generate_captions, stream_captions, batch_captions)
_POSTS = _Pipeline(generate_posts, stream_posts, batch_posts)


class _Single(Generic[One]):
    """One brief: ranked variants, whole or as events."""

    schema: type[One]
    request_class = RequestClass.GENERATE
    kind: Literal["captions", "posts"]
    pipeline: _Pipeline

    def __init__(self, providers: ProviderRegistry) -> None:
        self._providers = providers

    def streams(self, body: One) -> bool:
        return body.stream

    async def answer(self, call: RequestContext, body: One) -> dict[str, Any]:
        order, generator = self._order(call, body)
        return self._body(call, body, await self.pipeline.generate(generator, order))

    async def events(self, call: RequestContext, body: One) -> Events:
        """started, delta, variant, variant_failed, completed."""
        order, generator = self._order(call, body)
        async with aclosing(self.pipeline.stream(generator, order)) as events:
            async for event in events:
                if isinstance(event, Completed):
                    yield "completed", self._body(call, body, event.result)
                else:
                    yield _event(event, call)

    def _order(self, call: RequestContext, body: One) -> tuple[ContentRequest, TextGenerator]:
        call.require(Scope.GENERATE)
        model, generator = self._providers.resolve(body.model)
        return _order(call, body, model), generator

    def _body(self, call: RequestContext, body: One, result: CaptionSet) -> dict[str, Any]:
        return _answer(f"{self.kind}-{call.request_id}", self.kind, call, body, result)


class _BatchOperation(Generic[Many]):
    """Many briefs: a result or a problem for each."""

    schema: type[Many]
    request_class = RequestClass.BATCH
    kind: Literal["captions", "posts"]
    pipeline: _Pipeline

    def __init__(self, providers: ProviderRegistry) -> None:
        self._providers = providers

    def streams(self, body: Many) -> bool:
        return False

    async def answer(self, call: RequestContext, body: Many) -> dict[str, Any]:
        call.require(Scope.GENERATE)
        orders = [
            _order(call, item, item.model or "", f"{call.request_id}-{index}")
            for index, item in enumerate(body.items)
        ]
        outcomes = await self.pipeline.batch(self._providers, orders)
        results = [self._result(call, body, outcome) for outcome in outcomes]
        succeeded = [outcome.result for outcome in outcomes if outcome.result is not None]
        usage = sum((result.usage for result in succeeded), TokenUsage())
        return {
            "id": f"{self.kind}-batch-{call.request_id}",
            "object": f"{self.kind}.batch",
            "created": call.created,
            "succeeded": len(succeeded),
            "failed": len(results) - len(succeeded),
            "results": results,
            "usage": usage_body(usage),
        }

    def events(self, call: RequestContext, body: Many) -> Events:
        raise NotImplementedError("a batch answers whole: `streams` says so")

    def _result(self, call: RequestContext, body: Many, outcome: BatchOutcome) -> dict[str, Any]:
        if outcome.result is None:
            assert outcome.problem is not None
            error = native_body(outcome.problem, call.request_id)
            return {"index": outcome.index, "status": "failed", "error": error}
        name = f"{self.kind}-{call.request_id}-{outcome.index}"
        item = body.items[outcome.index]
        result = _answer(name, self.kind, call, item, outcome.result)
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


def _order(
    call: RequestContext, item: Item, model: str, request_id: str | None = None
) -> ContentRequest:
    return ContentRequest(
        request_id=request_id or call.request_id,
        caller=call.caller,
        brief=_brief(item),
        model=model,
        variants=item.variants,
        seed=item.seed,
        timeout_s=call.timeout_s("ingress"),
        priority=call.priority,
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
        hashtags=item.hashtags,
        emoji=item.emoji,
        call_to_action=item.call_to_action,
        language=item.language,
    )


def _answer(
    name: str, kind: str, call: RequestContext, item: Item, result: CaptionSet
) -> dict[str, Any]:
    return {
        "id": name,
        "object": kind,
        "created": call.created,
        "model": result.model,
        "prompt_version": result.prompt_version,
        "platform": platform(item.platform).name,
        "variants": [_variant(variant) for variant in result.variants],
        "duplicates": list(result.duplicates),
        "failures": [
            {"index": failure.index, "error": native_body(failure.problem, call.request_id)}
            for failure in result.failures
        ],
        "usage": usage_body(result.usage),
    }


def _variant(variant: Variant) -> dict[str, Any]:
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
    }


def _event(
    event: Started | Delta | VariantDone | VariantFailed, call: RequestContext
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
                "error": _problem(event.problem, call),
            }


def _problem(problem: Problem, call: RequestContext) -> dict[str, Any]:
    return native_body(problem, call.request_id)
