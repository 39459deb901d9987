"""Variants: one order in; its variants, generated concurrently, cleaned, scored and ranked, out.

`stream` is the whole pipeline as events, `collect` the same without previews. A variant that fails
with a Problem leaves the others alone; only when all fail is the first problem raised. Closing the
stream cancels every generator that is still open.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.runtime.problems import Problem
from deployments.content.brief import Brief
from deployments.content.cleanup import clean
from deployments.content.prompts import PROMPT_VERSION, messages
from deployments.content.ranking import rank
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
from deployments.content.scoring import score
from deployments.content.validation import check_brief, check_variants
from deployments.contracts.generation import (
    FinishReason,
    GenerateRequest,
    Message,
    Sampling,
    TextGenerator,
    TokenUsage,
)

_TOKENS = {
    "caption": {"short": 160, "medium": 256, "long": 448},
    "post": {"short": 256, "medium": 448, "long": 640},
}


def build_requests(order: ContentRequest) -> list[GenerateRequest]:
    """Return one request for each variant; raises InvalidRequest for an order that cannot be
    served.
    """
    check_variants(order.variants)
    check_brief(order.brief)
    chat = tuple(Message(turn["role"], turn["content"]) for turn in messages(order.brief))
    return [
        GenerateRequest(
            request_id=f"{order.request_id}-{index}",
            caller=order.caller,
            model=order.model,
            messages=chat,
            sampling=_sampling(order, index),
            timeout_s=order.timeout_s,
            priority=order.priority,
        )
        for index in range(order.variants)
    ]


async def collect(generator: TextGenerator, order: ContentRequest) -> CaptionSet:
    """Run the order to its end. Raises the first variant's Problem if every variant fails."""
    asked = build_requests(order)
    tasks = [
        asyncio.create_task(_whole(generator, order.brief, index, one))
        for index, one in enumerate(asked)
    ]
    try:
        done = await asyncio.gather(*tasks)
    finally:
        await _stopped(tasks)
    return _result(order, done)


async def stream(generator: TextGenerator, order: ContentRequest) -> AsyncGenerator[Event, None]:
    """Yield Started, then Delta, VariantDone and VariantFailed as variants progress side by side,
    then Completed.

    Raises InvalidRequest before the first event, and the first variant's Problem in place of
    Completed if every variant fails.
    """
    asked = build_requests(order)
    queue: asyncio.Queue[Delta | Variant | Failure] = asyncio.Queue(maxsize=64)
    tasks = [
        asyncio.create_task(_pieces(generator, order.brief, index, one, queue))
        for index, one in enumerate(asked)
    ]
    done: list[Variant | Failure] = []
    try:
        yield Started(order.variants, order.model)
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
        await _stopped(tasks)
    yield Completed(_result(order, done))


def _sampling(order: ContentRequest, index: int) -> Sampling:
    seed = None if order.seed is None else order.seed + index
    limit = _TOKENS[order.brief.kind][order.brief.length] + 8 * order.brief.hashtags
    return Sampling(max_tokens=limit, temperature=order.temperature, top_p=order.top_p, seed=seed)


async def _whole(
    generator: TextGenerator, brief: Brief, index: int, request: GenerateRequest
) -> Variant | Failure:
    try:
        completion = await generator.generate(request)
    except Problem as problem:
        return Failure(index, problem)
    choice = completion.choices[0]
    text, reason = choice.text, choice.finish_reason
    other = "" if completion.model == request.model else completion.model
    return _variant(brief, index, text, reason, completion.usage, other)


async def _pieces(
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
        await queue.put(_variant(brief, index, "".join(text), reason, usage, model))


async def _next(
    queue: "asyncio.Queue[Delta | Variant | Failure]", tasks: list[asyncio.Task[None]]
) -> Delta | Variant | Failure:
    """Wait for the next item, or raise what a task died of (a bug: problems arrive as items)."""
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


async def _stopped(
    tasks: "list[asyncio.Task[None]] | list[asyncio.Task[Variant | Failure]]",
) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _variant(
    brief: Brief, index: int, raw: str, reason: FinishReason, usage: TokenUsage, model: str
) -> Variant:
    finished = clean(brief, raw)
    total, parts = score(brief, finished)
    return Variant(
        index,
        finished.text,
        finished.body,
        finished.hashtags,
        total,
        parts,
        reason,
        finished.truncated,
        usage,
        model,
    )


def _result(order: ContentRequest, done: list[Variant | Failure]) -> CaptionSet:
    failures = tuple(
        sorted((one for one in done if isinstance(one, Failure)), key=lambda one: one.index)
    )
    if len(failures) == len(done):
        raise failures[0].problem
    good = [one for one in done if isinstance(one, Variant)]
    best, copies = rank(good)
    usage = sum((one.usage for one in good), TokenUsage())
    model = best[0].model or order.model
    return CaptionSet(order.brief.kind, model, PROMPT_VERSION, best, copies, failures, usage)
