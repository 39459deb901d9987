"""Cues: the common form of all transcript formats, before words are made of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from deployments.contracts.media import Seconds
from deployments.video.errors import TranscriptRefused
from deployments.video.transcript.notes import Notes

MAX_CUES = 50_000
MAX_TEXT = 20_000  # characters of one cue or word; longer ones are truncated
UNKNOWN = float("inf")  # the end of a cue whose source has none
_READING_CHARS_PER_S = 14.0  # for the duration of a line without an end
_LONGEST_S = 8.0


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
