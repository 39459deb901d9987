"""Captions: orders in, ranked captions out, whole, as a stream of events, or as a batch."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from deployments.content import batch, variants
from deployments.content.registry import ProviderRegistry
from deployments.content.results import BatchOutcome, CaptionSet, ContentRequest, Event
from deployments.contracts.generation import TextGenerator


async def generate_captions(generator: TextGenerator, order: ContentRequest) -> CaptionSet:
    """Write `order.variants` captions and rank them; raises the Problem if the order is invalid or
    every variant fails.
    """
    return await variants.collect(generator, _caption(order))


def stream_captions(generator: TextGenerator, order: ContentRequest) -> AsyncGenerator[Event, None]:
    """Yield one order's events; raises as `generate_captions` does. Close it to stop the work."""
    return variants.stream(generator, _caption(order))


async def batch_captions(
    generator: TextGenerator,
    providers: ProviderRegistry,
    orders: Sequence[ContentRequest],
    concurrency: int = 4,
) -> tuple[BatchOutcome, ...]:
    """Write many orders, at most `concurrency` at a time; each has its own result or problem, in
    the order given.
    """
    return await batch.run_batch(generate_captions, generator, providers, orders, concurrency)


def _caption(order: ContentRequest) -> ContentRequest:
    return replace(order, brief=replace(order.brief, kind="caption"))
