"""Batch: many orders in, one outcome each out; a Problem stays with its own order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from cluster.runtime.problems import Problem
from deployments.content.registry import ProviderRegistry
from deployments.content.results import BatchOutcome, CaptionSet, ContentRequest
from deployments.contracts.generation import TextGenerator

Work = Callable[[TextGenerator, ContentRequest], Awaitable[CaptionSet]]


async def run_batch(
    work: Work,
    generator: TextGenerator,
    providers: ProviderRegistry,
    orders: Sequence[ContentRequest],
    concurrency: int,
) -> tuple[BatchOutcome, ...]:
    """Run `work` on every order, at most `concurrency` (>= 1) at a time, and return the outcomes in
    the order given.
    """
    if concurrency < 1:
        raise ValueError("concurrency is at least 1")
    slots = asyncio.Semaphore(concurrency)

    async def one(index: int, order: ContentRequest) -> BatchOutcome:
        async with slots:
            try:
                model = providers.resolve(order.model)
                return BatchOutcome(
                    index, result=await work(generator, replace(order, model=model))
                )
            except Problem as problem:
                return BatchOutcome(index, problem=problem)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(index, order)) for index, order in enumerate(orders)]
    return tuple(task.result() for task in tasks)
