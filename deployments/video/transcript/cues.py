"""Cues and notes: the common form of all transcript formats, and the faults found in them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from deployments.contracts.media import Seconds
from deployments.sandbox.errors import TranscriptRefused

MAX_CUES = 50_000
MAX_TEXT = 20_000  # characters of one cue or word; longer ones are truncated
UNKNOWN = float("inf")  # the end of a cue whose source has none
_READING_CHARS_PER_S = 14.0  # for the duration of a line without an end
_LONGEST_S = 8.0
MAX_NOTES = 12


@dataclass(slots=True)
class Notes:
    """Collects `sentences`; repeated faults become one sentence with their number and the first
    location."""

    _faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    _first: dict[tuple[str, str], str] = field(default_factory=dict)
    _sentences: list[str] = field(default_factory=list)

    def count(self, noun: str, what: str, where: str = "") -> None:
        """One more `noun` ("line") with the fault `what` ("left out: ...")."""
        self._faults[noun, what] += 1
        if where:
            self._first.setdefault((noun, what), where)

    def add(self, sentence: str) -> None:
        self._sentences.append(sentence)

    def first(self) -> str:
        """The location of the first counted fault; empty: there is none, or it has no location."""
        return next(iter(self._first.values()), "")

    def sentences(self) -> tuple[str, ...]:
        counted = [
            f"{number} {noun}{'' if number == 1 else 's'} {what}"
            + (f" (first: {self._first[noun, what]})" if (noun, what) in self._first else "")
            for (noun, what), number in self._faults.items()
        ]
        return tuple(text[:300] for text in [*self._sentences, *counted][:MAX_NOTES])


@dataclass(frozen=True, slots=True)
class TimedLine:
    """A word of the source; None: without that time."""

    text: str
    start: Seconds | None = None
    end: Seconds | None = None


@dataclass(frozen=True, slots=True)
class TranscriptCue:
    """A line of a transcript. Some sources have its `words`, which then replace `text`. `end` is
    UNKNOWN if the source has none."""

    start: Seconds
    end: Seconds
    text: str
    words: tuple[TimedLine, ...] = ()


def bound_cues(cues: Iterable[TranscriptCue], notes: Notes) -> list[TranscriptCue]:
    """`cues` in order of time from 0 on, each with an end; those that end before 0 are dropped."""
    ordered = sorted(cues, key=lambda cue: (cue.start, cue.end))
    starts = [cue.start for cue in ordered]
    result: list[TranscriptCue] = []
    after = UNKNOWN
    for cue, start in zip(reversed(ordered), reversed(starts), strict=True):
        end = cue.end if cue.end < UNKNOWN else _presumed_end(cue, after)
        after = start if start < after else after
        if start < 0 and end <= 0:
            notes.count("line", "left out: it ends before the recording begins")
            continue
        result.append(replace(cue, start=max(0.0, start), end=max(start, end, 0.0)))
    return result[::-1]


def _presumed_end(cue: TranscriptCue, following: Seconds) -> Seconds:
    """The end of the last word with a time, else the next line's start, within limits."""
    ends = [word.end for word in cue.words if word.end is not None]
    if ends:
        return max(ends)
    text = max(len(cue.text), sum(len(word.text) + 1 for word in cue.words))
    longest = cue.start + _LONGEST_S
    return (
        min(following, longest)
        if following < UNKNOWN
        else min(cue.start + 0.5 + text / _READING_CHARS_PER_S, longest)
    )


def check_size(field: str, got: int, limit: int) -> None:
    """Raises TranscriptRefused if a count is over its limit."""
    if got > limit:
        raise TranscriptRefused(
            f"{field}: is {got}; the limit is {limit}.", field=field, limit=limit
        )
