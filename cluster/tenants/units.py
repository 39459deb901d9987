"""Units of usage: tokens, images, audio, video, pages, and a cost unit across all of them.

Amounts are integers, so that budgets are exact. Some units count a part of another one (`PARTS`) or
mark tokens whose count is an estimate. Knows no plans and no prices.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from cluster.runtime.quick_init import quick_init


class Unit(StrEnum):
    """A unit in plans, budgets, usage and prices."""

    REQUESTS = "requests"  # to a model
    CACHE_HITS = "cache_hits"  # answered from the cache; counted and priced, not budgeted
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"  # input and output together
    IMAGES = "images"
    AUDIO_SECONDS = "audio_seconds"
    VIDEO_SECONDS = "video_seconds"
    COST_UNITS = "cost_units"
    SPEND = "spend"  # nano-currency that a plan's prices charge; limits of keys and teams only
    CACHED_TOKENS = "cached_tokens"  # input tokens that the engine or provider had cached
    REASONING_TOKENS = "reasoning_tokens"  # output tokens that were spent on reasoning
    ESTIMATED_TOKENS = "estimated_tokens"  # tokens whose count is an estimate: no price, no budget
    CHARACTERS = "characters"  # code points of texts that were analysed
    PAGES = "pages"  # of documents that were read


# The unit that a unit counts a part of.
PARTS: Mapping[Unit, Unit] = MappingProxyType(
    {Unit.CACHED_TOKENS: Unit.INPUT_TOKENS, Unit.REASONING_TOKENS: Unit.OUTPUT_TOKENS}
)


@quick_init
@dataclass(frozen=True, slots=True)
class UsageAmounts:
    """Usage by modality; integers >= 0. `cached_tokens` are a part of `input_tokens`,
    `reasoning_tokens` of `output_tokens`, `estimated_tokens` of both together.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    audio_seconds: int = 0
    video_seconds: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated_tokens: int = 0
    characters: int = 0
    pages: int = 0

    def __add__(self, other: "UsageAmounts") -> "UsageAmounts":
        return UsageAmounts(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.images + other.images,
            self.audio_seconds + other.audio_seconds,
            self.video_seconds + other.video_seconds,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated_tokens + other.estimated_tokens,
            self.characters + other.characters,
            self.pages + other.pages,
        )

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class CostWeights:
    """Cost units for each unit of a modality.

    The default cost unit is the work of one input token; the other weights are in proportion to
    their computation.
    """

    input_tokens: int = 1
    output_tokens: int = 4
    images: int = 1_000
    audio_seconds: int = 400
    video_seconds: int = 500
    characters: int = 1
    pages: int = 25

    def cost(self, amounts: UsageAmounts) -> int:
        """Cost units of `amounts`."""
        return (
            self.input_tokens * amounts.input_tokens
            + self.output_tokens * amounts.output_tokens
            + self.images * amounts.images
            + self.audio_seconds * amounts.audio_seconds
            + self.video_seconds * amounts.video_seconds
            + self.characters * amounts.characters
            + self.pages * amounts.pages
        )


_REQUESTS, _TOKENS, _COST_UNITS = Unit.REQUESTS, Unit.TOKENS, Unit.COST_UNITS


def amount_of(unit: Unit, amounts: UsageAmounts, weights: CostWeights, requests: int = 0) -> int:
    """The usage in `unit`."""
    if unit is _REQUESTS:
        return requests
    if unit is _TOKENS:
        return amounts.input_tokens + amounts.output_tokens
    if unit is _COST_UNITS:
        return weights.cost(amounts)
    return int(getattr(amounts, unit.value))
