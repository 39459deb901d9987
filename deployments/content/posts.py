"""Posts: orders for texts of several paragraphs, or drafts to rewrite, in; ranked posts out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from deployments.content import batch, variants
from deployments.content.brief import Brief
from deployments.content.cleanup import Finished, tags_in
from deployments.content.registry import Providers
from deployments.content.results import CaptionSet, Event, Order, Outcome, Subscore
from deployments.content.scoring import score
from deployments.contracts.generation import Generator


@dataclass(frozen=True, slots=True)
class Judged:
    """How a text that somebody else wrote scores under a brief."""

    score: float
    subscores: tuple[Subscore, ...]


async def generate_posts(generator: Generator, order: Order) -> CaptionSet:
    """Write `order.variants` posts, or rewritings of the brief's draft; raises as
    `generate_captions` does.
    """
    return await variants.collect(generator, _post(order))


def stream_posts(generator: Generator, order: Order) -> AsyncGenerator[Event, None]:
    """Yield the events of one order. Close it to stop the work."""
    return variants.stream(generator, _post(order))


async def batch_posts(
    providers: Providers, orders: Sequence[Order], concurrency: int = 4
) -> tuple[Outcome, ...]:
    """Write many orders, at most `concurrency` at a time; each has its own result or problem, in
    the order given.
    """
    return await batch.run(generate_posts, providers, orders, concurrency)


def judge(brief: Brief, text: str) -> Judged:
    """Score a draft as it stands: the "before" of a rewriting, on the scale of its variants."""
    total, parts = score(brief, Finished(text, text, tuple(tags_in(text)), False))
    return Judged(total, parts)


def _post(order: Order) -> Order:
    return replace(order, brief=replace(order.brief, kind="post"))
