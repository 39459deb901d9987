"""A highlight that is a clip already, among those of the final ranking."""

from deployments.contracts.clips import Highlight
from deployments.video.ranking.ranker import RankedHighlights
from deployments.video.ranking.selection import MAX_OVERLAP


def with_pinned(ranked: RankedHighlights, pinned: Highlight, count: int) -> RankedHighlights:
    """`pinned` first, then the best that do not overlap it, `count` in all."""
    rest = [
        each for each in (*ranked.best, *ranked.others) if _overlap(each, pinned) <= MAX_OVERLAP
    ]
    return RankedHighlights((pinned, *rest[: count - 1]), tuple(rest[count - 1 :]))


def _overlap(one: Highlight, other: Highlight) -> float:
    """Of the shorter one."""
    common = min(one.end, other.end) - max(one.start, other.start)
    return max(0.0, common) / min(one.end - one.start, other.end - other.start)
