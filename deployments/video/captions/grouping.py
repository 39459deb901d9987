"""Grouping: pieces in, cues of one or two balanced lines out.

A cue never crosses a pause, the end of a sentence or of a line of the source; a phrase too long for
one is split evenly, so that no word is left over on its own. A cue stays a little after its
last word, until it could be read or the next begins.
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
    """What a cue may hold: `words` words in `lines` lines, each of at most `width` as `measure`
    counts it, for at most `seconds`; a silence of `pause` seconds ends it.
    """

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
    def pieces(self) -> Line:
        return tuple(piece for line in self.lines for piece in line)


def cues(
    pieces: Sequence[TimedText], room: LineBudget, duration: Seconds
) -> tuple[CaptionCue, ...]:
    """Group `pieces` into cues that do not overlap and end within `duration`."""
    short = [part for piece in pieces for part in fit_line(piece, room)]
    groups = [group for phrase in _phrases(short, room) for group in _groups(phrase, room)]
    starts = [group[0][0].start for group in groups] + [duration]
    return tuple(
        CaptionCue(starts[i], _end(group, starts[i + 1]), group) for i, group in enumerate(groups)
    )


def join_text(line: Line) -> str:
    """The text of a line: gaps between pieces, except where they are glued."""
    return "".join(
        piece.text if i == 0 or piece.glued else f" {piece.text}" for i, piece in enumerate(line)
    )


def fit_line(piece: TimedText, room: LineBudget) -> list[TimedText]:
    """`piece`, broken where it is wider than a line."""
    if room.measure(piece.text) <= room.width:
        return [piece]
    parts, filled = [""], 0.0
    for cluster in clusters(piece.text):
        size = room.measure(cluster)
        if parts[-1] and filled + size > room.width:
            parts.append("")
            filled = 0.0
        parts[-1] += cluster
        filled += size
    return split(piece, parts)


def lines_of(group: Line, room: LineBudget) -> tuple[Line, ...] | None:
    """`group` in as few lines as hold it, the widest as narrow as can be; None if it is too long
    for `room`.
    """
    if room.measure(join_text(group)) <= room.width:
        return (group,)
    if room.lines < 2 or len(group) < 2:
        return None
    breaks = ((group[:i], group[i:]) for i in range(1, len(group)))
    best = min(breaks, key=lambda lines: max(room.measure(join_text(line)) for line in lines))
    return best if max(room.measure(join_text(line)) for line in best) <= room.width else None


def _phrases(pieces: Sequence[TimedText], room: LineBudget) -> list[list[TimedText]]:
    found: list[list[TimedText]] = []
    for i, piece in enumerate(pieces):
        before = pieces[i - 1] if i else None
        if (
            before is None
            or before.closes
            or before.breaks
            or piece.start - before.end >= room.pause
        ):
            found.append([])
        found[-1].append(piece)
    return found


def _groups(phrase: list[TimedText], room: LineBudget) -> list[tuple[Line, ...]]:
    """Even groups where some number of them fits; else each as full as it gets."""
    full = _filled(phrase, room)
    for count in range(len(full), min(len(full) + 3, len(phrase)) + 1):
        size = len(phrase) / count
        edges = [round(i * size) for i in range(count + 1)]
        groups = [_fit(tuple(phrase[a:b]), room) for a, b in zip(edges, edges[1:], strict=False)]
        fitting = [group for group in groups if group is not None]
        if len(fitting) == count:
            return fitting
    return full


def _filled(phrase: list[TimedText], room: LineBudget) -> list[tuple[Line, ...]]:
    found: list[tuple[Line, ...]] = []
    group: Line = ()
    for piece in phrase:
        lines = _fit((*group, piece), room)
        if lines is None:
            group, lines = (), _fit((piece,), room) or ((piece,),)
        found[-1:] = [lines] if group else [*found[-1:], lines]
        group = (*group, piece)
    return found


def _fit(group: Line, room: LineBudget) -> tuple[Line, ...] | None:
    words = sum(1 for i, piece in enumerate(group) if i == 0 or not piece.glued)
    if words > room.words or (len(group) > 1 and group[-1].end - group[0].start > room.seconds):
        return None
    return lines_of(group, room)


def _end(group: tuple[Line, ...], limit: Seconds) -> Seconds:
    first, last = group[0][0], group[-1][-1]
    readable = first.start + sum(len(join_text(line)) for line in group) / READABLE_PER_S
    wanted = max(last.end + SETTLE_S, min(readable, last.end + LINGER_S))
    return min(wanted, limit) if math.isfinite(limit) else wanted
