"""Units of usage: tokens, images, audio, video, and a cost unit across all of them.

Amounts are integers, so that budgets are exact. Knows no plans and no prices.
"""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class UsageAmounts:
    """Usage by modality; integers >= 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    audio_seconds: int = 0
    video_seconds: int = 0

    def __add__(self, other: "UsageAmounts") -> "UsageAmounts":
        return UsageAmounts(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.images + other.images,
            self.audio_seconds + other.audio_seconds,
            self.video_seconds + other.video_seconds,
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
    audio_seconds: int = 50
    video_seconds: int = 500

    def cost(self, amounts: UsageAmounts) -> int:
        """Cost units of `amounts`."""
        return (
            self.input_tokens * amounts.input_tokens
            + self.output_tokens * amounts.output_tokens
            + self.images * amounts.images
            + self.audio_seconds * amounts.audio_seconds
            + self.video_seconds * amounts.video_seconds
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
