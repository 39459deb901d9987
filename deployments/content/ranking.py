"""Ranking: finished variants in, the same best first and without near-copies out."""

from collections.abc import Iterable

from deployments.content.results import Variant
from deployments.content.scoring import words

NEAR_COPY = 0.8


def rank(variants: Iterable[Variant]) -> tuple[tuple[Variant, ...], tuple[int, ...]]:
    """Return the variants by falling score (ties by index), and the indexes of those too similar to
    a better one.
    """
    kept: list[Variant] = []
    copies: list[int] = []
    for variant in sorted(variants, key=lambda one: (-one.score, one.index)):
        if any(similarity(variant.body, other.body) >= NEAR_COPY for other in kept):
            copies.append(variant.index)
        else:
            kept.append(variant)
    return tuple(kept), tuple(sorted(copies))


def similarity(one: str, other: str) -> float:
    """Return the Jaccard index (0..1) of the word pairs of two texts; equal texts give 1."""
    left, right = _pairs(one), _pairs(other)
    return len(left & right) / len(left | right) if left | right else 1.0


def _pairs(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return set(zip(found, found[1:], strict=False)) or {tuple(found)}
