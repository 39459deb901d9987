"""Captions and posts: requests in; ranked texts out, complete, streamed, or in batches.

A post is a text of several paragraphs, or a rewritten draft.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace

from cluster.runtime.problems import Problem
from deployments.content import variants
from deployments.content.brief import Kind
from deployments.content.registry import ProviderRegistry
from deployments.content.results import BatchOutcome, CaptionSet, ContentRequest, Event
from deployments.contracts.text_generator import TextGenerator

Generate = Callable[[TextGenerator, ContentRequest], Awaitable[CaptionSet]]


async def generate_captions(generator: TextGenerator, request: ContentRequest) -> CaptionSet:
    """Write `request.variants` captions and rank them; raises the Problem if the request is
    invalid or every variant fails.
    """
    return await variants.collect(generator, _with_kind(request, "caption"))


async def generate_posts(generator: TextGenerator, request: ContentRequest) -> CaptionSet:
    """Write `request.variants` posts, or rewritings of the brief's draft; raises as
    `generate_captions` does.
    """
    return await variants.collect(generator, _with_kind(request, "post"))


def stream_captions(
    generator: TextGenerator, request: ContentRequest
) -> AsyncGenerator[Event, None]:
    """The events of one request; raises as `generate_captions` does. Close it to stop the work."""
    return variants.stream(generator, _with_kind(request, "caption"))


def stream_posts(generator: TextGenerator, request: ContentRequest) -> AsyncGenerator[Event, None]:
    """The events of one request. Close it to stop the work."""
    return variants.stream(generator, _with_kind(request, "post"))


async def batch_captions(
    generator: TextGenerator,
    providers: ProviderRegistry,
    requests: Sequence[ContentRequest],
    concurrency: int = 4,
) -> tuple[BatchOutcome, ...]:
    """Run many requests, at most `concurrency` at a time; each has its own result or problem, in
    the order given.
    """
    return await _run_batch(generate_captions, generator, providers, requests, concurrency)


async def batch_posts(
    generator: TextGenerator,
    providers: ProviderRegistry,
    requests: Sequence[ContentRequest],
    concurrency: int = 4,
) -> tuple[BatchOutcome, ...]:
    """As `batch_captions`, for posts."""
    return await _run_batch(generate_posts, generator, providers, requests, concurrency)


async def _run_batch(
    generate: Generate,
    generator: TextGenerator,
    providers: ProviderRegistry,
    requests: Sequence[ContentRequest],
    concurrency: int,
) -> tuple[BatchOutcome, ...]:
    if concurrency < 1:
        raise ValueError("concurrency is at least 1")
    slots = asyncio.Semaphore(concurrency)

    async def run(index: int, request: ContentRequest) -> BatchOutcome:
        async with slots:
            try:
                model = providers.resolve(request.model)
                result = await generate(generator, replace(request, model=model))
            except Problem as problem:
                return BatchOutcome(index, problem=problem)
            return BatchOutcome(index, result=result)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(index, item)) for index, item in enumerate(requests)]
    return tuple(task.result() for task in tasks)


def _with_kind(request: ContentRequest, kind: Kind) -> ContentRequest:
    return replace(request, brief=replace(request.brief, kind=kind))
