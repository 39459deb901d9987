"""Timed text: the words of a transcript in, clean text on the clip's timeline out.

Transcripts are untrusted: times may be missing, out of order or overlapping, text may have line
breaks, control characters or hundreds of letters without a gap. The result is in order, does not
overlap, and no segment is longer than a line.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import regex

from deployments.contracts.media import Seconds, Word

LONGEST_WORD = 300  # characters; longer words are truncated
SHORTEST_S = 0.04
MIN_INSIDE = 0.5  # of a word's duration; others are dropped
SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_CONTROL = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Co}\p{Cn}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]"
)
# A letter of Thai or Lao with the vowels written before and after it, which no line end splits.
SYLLABLE = (
    r"[\u0e40-\u0e44\u0ec0-\u0ec4]?\X[\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eb0\u0eb2\u0eb3]*"
)
_RUN = regex.compile(rf"(?:(?={SPACELESS}){SYLLABLE}){{1,6}}\p{{P}}*|(?:(?!{SPACELESS})\X)+")
_SPACELESS_END = regex.compile(rf"{SPACELESS}[\p{{P}}\p{{M}}]*$")
_SPACELESS_START = regex.compile(rf"^\p{{P}}*{SPACELESS}")
_CLUSTER = regex.compile(SYLLABLE)


@dataclass(frozen=True, slots=True)
class TimedText:
    """Text that is highlighted from `start` to `end` (seconds of the clip). `glued`: no gap before
    it. `closes`: it ends a sentence. `breaks`: it ends a line of the source."""

    start: Seconds
    end: Seconds
    text: str
    glued: bool = False
    closes: bool = False
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """The spans of the source that make up a clip: `kept`, as (start, end), rising and disjoint.
    Raises ValueError otherwise."""

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
        """(start, end) of the source on the clip's timeline, clamped to the span that contains most
        of it; None if less than half of it is inside."""
        offset, best, clip_times = 0.0, 0.0, None
        for first, last in self.kept:
            low, high = max(start, first), min(end, last)
            inside = (
                first <= start < last if end <= start else high - low >= MIN_INSIDE * (end - start)
            )
            if inside and (clip_times is None or high - low > best):
                best = high - low
                clip_times = (offset + low - first, offset + max(low, high) - first)
            offset += last - first
        return clip_times


def segments(words: Iterable[Word], timeline: Timeline) -> tuple[TimedText, ...]:
    """The text of the words within the clip, in order, without overlaps."""
    timed = [segment for word in words for segment in _segments_of_word(word, timeline)]
    timed.sort(key=lambda segment: segment.start)
    return _mark_glued(_without_overlaps(timed, timeline.duration))


def clean(text: str) -> str:
    """`text` in composed form, on one line, without control and direction characters."""
    composed = unicodedata.normalize("NFC", text[: 4 * LONGEST_WORD])
    return " ".join(_CONTROL.sub(" ", composed).split())


def split(segment: TimedText, parts: Sequence[str]) -> list[TimedText]:
    """`segment` split into `parts`; each gets a share of its time by its length."""
    total = sum(len(part) for part in parts) or 1
    result: list[TimedText] = []
    position = 0
    span = segment.end - segment.start
    for part in parts:
        start = segment.start + span * position / total
        position += len(part)
        end = segment.start + span * position / total
        result.append(TimedText(start, end, part, glued=segment.glued if not result else True))
    result[-1:] = [
        replace(last, closes=segment.closes, breaks=segment.breaks) for last in result[-1:]
    ]
    return result


def clusters(text: str) -> list[str]:
    """The visible characters of `text` (extended grapheme clusters, UAX #29)."""
    return list(_CLUSTER.findall(text))


def _segments_of_word(word: Word, timeline: Timeline) -> list[TimedText]:
    if not (math.isfinite(word.start) and math.isfinite(word.end)):
        return []
    clip_times = timeline.to_clip_time(word.start, max(word.start, word.end))
    text = "" if clip_times is None else clean(word.text)[:LONGEST_WORD]
    if clip_times is None or not text:
        return []
    runs = [(run, i > 0) for part in text.split() for i, run in enumerate(_RUN.findall(part))]
    parts = split(
        TimedText(*clip_times, text, closes=word.ends_sentence, breaks=word.ends_cue),
        [run for run, _ in runs],
    )
    return [replace(part, glued=glued) for part, (_, glued) in zip(parts, runs, strict=True)]


def _without_overlaps(timed: Sequence[TimedText], duration: Seconds) -> list[TimedText]:
    """Shortens a segment that overlaps the next, or delays the next if nothing would be left."""
    result: list[TimedText] = []
    for segment in timed:
        start = segment.start
        if result and result[-1].end > start:
            minimum_end = result[-1].start + SHORTEST_S
            result[-1] = replace(result[-1], end=max(start, min(minimum_end, result[-1].end)))
            start = max(start, result[-1].end)
        end = min(max(segment.end, start + SHORTEST_S), duration)
        if end - start > SHORTEST_S / 2:
            result.append(replace(segment, start=start, end=end))
    return result


def _mark_glued(timed: Sequence[TimedText]) -> tuple[TimedText, ...]:
    """Scripts without gaps between words have none between segments either."""
    return tuple(
        replace(segment, glued=True)
        if i and _SPACELESS_END.search(timed[i - 1].text) and _SPACELESS_START.search(segment.text)
        else segment
        for i, segment in enumerate(timed)
    )
