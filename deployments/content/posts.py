"""Posts: orders for texts of several paragraphs, or drafts to rewrite, in; ranked posts out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from deployments.content import batch, variants
from deployments.content.brief import Brief
from deployments.content.cleanup import CleanedText, extract_hashtags
from deployments.content.registry import ProviderRegistry
from deployments.content.results import BatchOutcome, CaptionSet, ContentRequest, Event, Subscore
from deployments.content.scoring import score
from deployments.contracts.generation import TextGenerator


@dataclass(frozen=True, slots=True)
class ScoredPost:
    """How a text that somebody else wrote scores under a brief."""

    score: float
    subscores: tuple[Subscore, ...]


async def generate_posts(generator: TextGenerator, order: ContentRequest) -> CaptionSet:
    """Write `order.variants` posts, or rewritings of the brief's draft; raises as
    `generate_captions` does.
    """
    return await variants.collect(generator, _post(order))


def stream_posts(generator: TextGenerator, order: ContentRequest) -> AsyncGenerator[Event, None]:
    """Yield the events of one order. Close it to stop the work."""
    return variants.stream(generator, _post(order))


async def batch_posts(
    generator: TextGenerator,
    providers: ProviderRegistry,
    orders: Sequence[ContentRequest],
    concurrency: int = 4,
) -> tuple[BatchOutcome, ...]:
    """Write many orders, at most `concurrency` at a time; each has its own result or problem, in
    the order given.
    """
    return await batch.run_batch(generate_posts, generator, providers, orders, concurrency)


def score_post(brief: Brief, text: str) -> ScoredPost:
    """Score a draft as it stands: the "before" of a rewriting, on the scale of its variants."""
    total, parts = score(brief, CleanedText(text, text, tuple(extract_hashtags(text)), False))
    return ScoredPost(total, parts)


def _post(order: ContentRequest) -> ContentRequest:
    return replace(order, brief=replace(order.brief, kind="post"))
