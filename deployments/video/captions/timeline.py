"""Time map: moments of the source in, moments of the clip out.

A clip keeps one stretch of its source or, once pauses are cut out of it, several in order. Nothing
here knows what happens at those moments.
"""

from dataclasses import dataclass

from deployments.contracts.media import Seconds

_KEPT = 0.5  # of a word's duration has to be inside, or it is dropped


@dataclass(frozen=True, slots=True)
class Timeline:
    """`kept` are the stretches (start, end) of the source that make up the clip, rising and apart.
    Raises ValueError for others.
    """

    kept: tuple[tuple[Seconds, Seconds], ...]

    def __post_init__(self) -> None:
        edges = [edge for stretch in self.kept for edge in stretch]
        pairs = zip(edges, edges[1:], strict=False)
        if not edges or not all(before <= after for before, after in pairs):
            raise ValueError("the kept stretches of a clip rise and do not overlap")

    @property
    def duration(self) -> Seconds:
        return sum(end - start for start, end in self.kept)

    def to_clip_time(self, start: Seconds, end: Seconds) -> tuple[Seconds, Seconds] | None:
        """Where (start, end) of the source is in the clip, clamped to the stretch that holds most
        of it; None if less than half of it is inside.
        """
        offset, best, found = 0.0, 0.0, None
        for first, last in self.kept:
            low, high = max(start, first), min(end, last)
            inside = first <= start < last if end <= start else high - low >= _KEPT * (end - start)
            if inside and (found is None or high - low > best):
                best, found = high - low, (offset + low - first, offset + max(low, high) - first)
            offset += last - first
        return found
