"""Whether a transcript's times fit its recording: cues and a duration in, cues or a refusal out."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from deployments.contracts.media import Seconds, Word
from deployments.video.transcript.cues import UNKNOWN, TimedLine, TranscriptCue
from deployments.video.transcript.failures import TranscriptRefused
from deployments.video.transcript.notes import Notes

SLOWEST_S = 20.0  # nobody takes so many seconds for a word; 20 ms are the shortest
MILLI = 0.001


def in_seconds(
    cues: Sequence[TranscriptCue], duration: Seconds | None, notes: Notes
) -> list[TranscriptCue]:
    """`cues`, whose times are taken for milliseconds where they cannot be seconds: whole numbers,
    more than 20 a word, that lie within the recording only if they are a thousandth of one.
    """
    ends = [cue.end for cue in cues if cue.end < UNKNOWN] + [cue.start for cue in cues]
    if duration is None or not ends or not duration < max(ends) <= (duration + 1) / MILLI:
        return list(cues)
    if not all(end.is_integer() for end in ends) or _per_word(cues) < SLOWEST_S:
        return list(cues)
    notes.add("The times were read as milliseconds: as seconds they lie outside the recording.")
    return [_scaled(cue) for cue in cues]


def check_within(words: Sequence[Word], duration: Seconds | None, notes: Notes) -> None:
    """Raises TranscriptRefused: all of it lies after the recording's end."""
    if duration is None or not words:
        return
    outside = sum(1 for word in words if word.start >= duration)
    if outside == len(words):
        raise TranscriptRefused(
            f"The transcript begins at {words[0].start:.10g} s, the recording ends at "
            f"{duration:.10g} s: it belongs to another recording, or its times are not seconds "
            "from the recording's beginning.",
            begins_s=round(words[0].start, 3),
            limit=round(duration, 3),
        )
    if outside:
        notes.add(
            f"{outside} of {len(words)} words are after the recording's end at {duration:.6g} s."
        )


def _per_word(cues: Sequence[TranscriptCue]) -> float:
    """The median number of units that a word takes."""
    spans = [
        word.end - word.start
        for cue in cues
        for word in cue.words
        if word.start is not None and word.end is not None
    ]
    if not spans:
        known = [cue for cue in cues if cue.end < UNKNOWN]
        spans = [(cue.end - cue.start) / max(1, len(cue.text.split())) for cue in known]
    return median(spans) if spans else 0.0


def _scaled(cue: TranscriptCue) -> TranscriptCue:
    words = tuple(TimedLine(w.text, _milli(w.start), _milli(w.end)) for w in cue.words)
    return replace(cue, start=cue.start * MILLI, end=cue.end * MILLI, words=words)


def _milli(value: Seconds | None) -> Seconds | None:
    return None if value is None else value * MILLI
