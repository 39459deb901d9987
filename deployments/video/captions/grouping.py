"""Grouping: timed text in, cues of one or two balanced lines out.

A cue never crosses a pause, the end of a sentence or a line end of the source. A phrase too long
for one cue is split evenly, so that no word is left alone. A cue stays after its last word until it
can be read or the next cue begins.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployments.contracts.media import Seconds
from deployments.video.captions.words import TimedText, clusters, split

Line = tuple[TimedText, ...]
READABLE_PER_S = 20.0  # characters
LINGER_S = 1.0
SETTLE_S = 0.25


@dataclass(frozen=True, slots=True)
class LineBudget:
    """The limits of a cue: `words` words in `lines` lines, each of at most `width` as `measure`
    counts it, for at most `seconds`; a silence of `pause` seconds ends it."""

    measure: Callable[[str], float]
    width: float
    words: int
    lines: int = 2
    seconds: Seconds = 6.0
    pause: Seconds = 0.7


@dataclass(frozen=True, slots=True)
class CaptionCue:
    start: Seconds
    end: Seconds
    lines: tuple[Line, ...]

    @property
    def segments(self) -> Line:
        return tuple(segment for line in self.lines for segment in line)


def cues(
    segments: Sequence[TimedText], budget: LineBudget, duration: Seconds
) -> tuple[CaptionCue, ...]:
    """Groups `segments` into cues that do not overlap and end within `duration`."""
    fitted = [part for segment in segments for part in fit_line(segment, budget)]
    groups = [group for phrase in _phrases(fitted, budget) for group in _groups(phrase, budget)]
    starts = [group[0][0].start for group in groups] + [duration]
    return tuple(
        CaptionCue(starts[i], _end(group, starts[i + 1]), group) for i, group in enumerate(groups)
    )


def join_text(line: Line) -> str:
    """The text of a line: gaps between segments, except before glued ones."""
    return "".join(
        segment.text if i == 0 or segment.glued else f" {segment.text}"
        for i, segment in enumerate(line)
    )


def fit_line(segment: TimedText, budget: LineBudget) -> list[TimedText]:
    """`segment`, split if it is wider than a line."""
    if budget.measure(segment.text) <= budget.width:
        return [segment]
    parts, width = [""], 0.0
    for cluster in clusters(segment.text):
        size = budget.measure(cluster)
        if parts[-1] and width + size > budget.width:
            parts.append("")
            width = 0.0
        parts[-1] += cluster
        width += size
    return split(segment, parts)


def lines_of(group: Line, budget: LineBudget) -> tuple[Line, ...] | None:
    """`group` in as few lines as possible, the widest as narrow as possible; None if it exceeds the
    budget."""
    if budget.measure(join_text(group)) <= budget.width:
        return (group,)
    if budget.lines < 2 or len(group) < 2:
        return None
    breaks = ((group[:i], group[i:]) for i in range(1, len(group)))
    best = min(breaks, key=lambda lines: max(budget.measure(join_text(line)) for line in lines))
    return best if max(budget.measure(join_text(line)) for line in best) <= budget.width else None


def _phrases(segments: Sequence[TimedText], budget: LineBudget) -> list[list[TimedText]]:
    phrases: list[list[TimedText]] = []
    for i, segment in enumerate(segments):
        previous = segments[i - 1] if i else None
        if (
            previous is None
            or previous.closes
            or previous.breaks
            or segment.start - previous.end >= budget.pause
        ):
            phrases.append([])
        phrases[-1].append(segment)
    return phrases


def _groups(phrase: list[TimedText], budget: LineBudget) -> list[tuple[Line, ...]]:
    """Groups of equal size if some number of them fits; else each as full as possible."""
    filled = _fill(phrase, budget)
    for count in range(len(filled), min(len(filled) + 3, len(phrase)) + 1):
        size = len(phrase) / count
        edges = [round(i * size) for i in range(count + 1)]
        groups = [
            _lines_within_budget(tuple(phrase[a:b]), budget)
            for a, b in zip(edges, edges[1:], strict=False)
        ]
        fitting = [group for group in groups if group is not None]
        if len(fitting) == count:
            return fitting
    return filled


def _fill(phrase: list[TimedText], budget: LineBudget) -> list[tuple[Line, ...]]:
    groups: list[tuple[Line, ...]] = []
    group: Line = ()
    for segment in phrase:
        lines = _lines_within_budget((*group, segment), budget)
        if lines is None:
            group, lines = (), _lines_within_budget((segment,), budget) or ((segment,),)
        groups[-1:] = [lines] if group else [*groups[-1:], lines]
        group = (*group, segment)
    return groups


def _lines_within_budget(group: Line, budget: LineBudget) -> tuple[Line, ...] | None:
    words = sum(1 for i, segment in enumerate(group) if i == 0 or not segment.glued)
    if words > budget.words or (len(group) > 1 and group[-1].end - group[0].start > budget.seconds):
        return None
    return lines_of(group, budget)


def _end(group: tuple[Line, ...], limit: Seconds) -> Seconds:
    first, last = group[0][0], group[-1][-1]
    readable = first.start + sum(len(join_text(line)) for line in group) / READABLE_PER_S
    end = max(last.end + SETTLE_S, min(readable, last.end + LINGER_S))
    return min(end, limit) if math.isfinite(limit) else end
