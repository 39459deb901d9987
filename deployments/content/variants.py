"""Variants: one request in; its variants, generated concurrently, cleaned, scored and ranked, out.

`stream` is the whole pipeline as events, `collect` the same without previews. A variant that fails
with a Problem leaves the others alone; only when all fail is the first problem raised. Closing the
stream cancels every generator that is still open.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from cluster.runtime.problems import InvalidRequest, Problem
from deployments.content.brief import Brief
from deployments.content.cleanup import clean
from deployments.content.output_fields import (
    check_schema,
    fields_messages,
    joined_texts,
    output_format,
    parse_fields,
)
from deployments.content.prompts import PROMPT_VERSION, messages
from deployments.content.results import (
    CaptionSet,
    Completed,
    ContentRequest,
    Delta,
    Event,
    Failure,
    Started,
    Variant,
    VariantDone,
    VariantFailed,
)
from deployments.content.scoring import rank, score
from deployments.content.validation import check_brief, check_variants
from deployments.contracts.generation import (
    FinishReason,
    GenerateRequest,
    Message,
    Sampling,
    TokenUsage,
)
from deployments.contracts.text_generator import TextGenerator

_TOKENS = {
    "caption": {"short": 160, "medium": 256, "long": 448},
    "post": {"short": 256, "medium": 448, "long": 640},
}


@dataclass(frozen=True, slots=True)
class WrittenText:
    """What the model wrote for one variant."""

    index: int
    text: str
    finish_reason: FinishReason
    usage: TokenUsage
    model: str


def build_requests(request: ContentRequest) -> list[GenerateRequest]:
    """Return one model request for each variant; raises InvalidRequest for a content request that
    cannot be served.
    """
    check_variants(request.variants)
    check_brief(request.brief)
    turns, schema = messages(request.brief), request.output_schema
    if schema:
        check_schema(schema)
        turns = fields_messages(turns, schema)
    pictures = request.image_sources
    before_text = (0,) * len(pictures)
    chat = tuple(
        Message(turn["role"], turn["content"], images=before_text if turn["role"] == "user" else ())
        for turn in turns
    )
    return [
        GenerateRequest(
            request_id=f"{request.request_id}-{index}",
            caller=request.caller,
            model=request.model,
            messages=chat,
            sampling=_sampling(request, index),
            timeout_s=request.timeout_s,
            priority=request.priority,
            output_format=output_format(schema) if schema else None,
            image_sources=pictures,
        )
        for index in range(request.variants)
    ]


async def collect(generator: TextGenerator, request: ContentRequest) -> CaptionSet:
    """Run the request to its end. Raises the first variant's Problem if every variant fails."""
    requests = build_requests(request)
    tasks = [
        asyncio.create_task(_generate(generator, request.brief, index, item))
        for index, item in enumerate(requests)
    ]
    try:
        done = await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)
    return _result(request, done)


async def stream(generator: TextGenerator, request: ContentRequest) -> AsyncGenerator[Event, None]:
    """Yield Started, then Delta, VariantDone and VariantFailed as variants progress side by side,
    then Completed.

    Raises InvalidRequest before the first event, and the first variant's Problem in place of
    Completed if every variant fails.
    """
    requests = build_requests(request)
    queue: asyncio.Queue[Delta | Variant | Failure] = asyncio.Queue(maxsize=64)
    tasks = [
        asyncio.create_task(_stream(generator, request.brief, index, item, queue))
        for index, item in enumerate(requests)
    ]
    done: list[Variant | Failure] = []
    try:
        yield Started(request.variants, request.model)
        while len(done) < len(tasks):
            item = await _next(queue, tasks)
            if isinstance(item, Delta):
                yield item
                continue
            done.append(item)
            yield (
                VariantDone(item.index, item)
                if isinstance(item, Variant)
                else VariantFailed(item.index, item.problem)
            )
    finally:
        await _cancel(tasks)
    yield Completed(_result(request, done))


def _sampling(request: ContentRequest, index: int) -> Sampling:
    seed = None if request.seed is None else request.seed + index
    limit = _TOKENS[request.brief.kind][request.brief.length] + 8 * request.brief.hashtags
    return Sampling(
        max_tokens=2 * limit if request.output_schema else limit,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=seed,
    )


async def _generate(
    generator: TextGenerator, brief: Brief, index: int, request: GenerateRequest
) -> Variant | Failure:
    try:
        completion = await generator.generate(request)
    except Problem as problem:
        return Failure(index, problem)
    choice = completion.choices[0]
    text, reason = choice.text, choice.finish_reason
    model = "" if completion.model == request.model else completion.model
    return _finished(brief, request, WrittenText(index, text, reason, completion.usage, model))


async def _stream(
    generator: TextGenerator,
    brief: Brief,
    index: int,
    request: GenerateRequest,
    queue: "asyncio.Queue[Delta | Variant | Failure]",
) -> None:
    text: list[str] = []
    reason: FinishReason = "stop"
    usage, model = TokenUsage(), ""
    try:
        async with aclosing(generator.stream(request)) as chunks:
            async for chunk in chunks:
                text.append(chunk.text)
                reason, usage = chunk.finish_reason or reason, chunk.usage or usage
                model = chunk.model or model
                if chunk.text:
                    await queue.put(Delta(index, chunk.text))
    except Problem as problem:
        await queue.put(Failure(index, problem))
    else:
        written = WrittenText(index, "".join(text), reason, usage, model)
        await queue.put(_finished(brief, request, written))


async def _next(
    queue: "asyncio.Queue[Delta | Variant | Failure]", tasks: list[asyncio.Task[None]]
) -> Delta | Variant | Failure:
    """Wait for the next item, or raise a task's error (a bug: problems arrive as items)."""
    if not queue.empty():
        return queue.get_nowait()
    getter = asyncio.ensure_future(queue.get())
    try:
        while not getter.done():
            running = [task for task in tasks if not task.done()]
            await asyncio.wait([getter, *running], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        return getter.result()
    finally:
        getter.cancel()


async def _cancel(
    tasks: "list[asyncio.Task[None]] | list[asyncio.Task[Variant | Failure]]",
) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _finished(brief: Brief, request: GenerateRequest, written: WrittenText) -> Variant | Failure:
    """The cleaned and scored variant; a Failure where its fields are incomplete."""
    if request.output_format is None:
        return _variant(brief, written, written.text, None)
    fields = parse_fields(written.text) if written.finish_reason == "stop" else None
    if fields is None:
        limit = request.sampling.max_tokens
        why = f"The model did not complete the fields within {limit} tokens."
        return Failure(written.index, InvalidRequest(why, param="output_schema"))
    return _variant(brief, written, joined_texts(fields), fields)


def _variant(
    brief: Brief, written: WrittenText, raw: str, fields: dict[str, Any] | None
) -> Variant:
    finished = clean(brief, raw)
    total, parts = score(brief, finished)
    return Variant(
        written.index,
        finished.text,
        finished.body,
        finished.hashtags,
        total,
        parts,
        written.finish_reason,
        finished.truncated,
        written.usage,
        written.model,
        fields,
    )


def _result(request: ContentRequest, done: list[Variant | Failure]) -> CaptionSet:
    failures = tuple(
        sorted((item for item in done if isinstance(item, Failure)), key=lambda item: item.index)
    )
    if len(failures) == len(done):
        raise failures[0].problem
    succeeded = [item for item in done if isinstance(item, Variant)]
    ranked, duplicates = rank(succeeded)
    usage = sum((variant.usage for variant in succeeded), TokenUsage())
    model = ranked[0].model or request.model
    return CaptionSet(
        request.brief.kind, model, PROMPT_VERSION, ranked, duplicates, failures, usage
    )
