"""Parses a transcript of unknown format: bytes in, words out, or a refusal with its reason.

    decode -> cues of its format -> times that fit the recording -> words

Every step takes time proportional to the file's length. It still runs in a confined child
(reading.py), because the files are untrusted, and Python code would block other requests of its
process.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median
from typing import Literal, get_args

from deployments.contracts.media import Seconds, Transcript, Word
from deployments.sandbox.errors import TranscriptRefused
from deployments.video.transcript.cues import (
    MAX_TEXT,
    UNKNOWN,
    Notes,
    TimedLine,
    TranscriptCue,
    bound_cues,
    check_size,
)
from deployments.video.transcript.encoding import decode
from deployments.video.transcript.json_entries import MAX_WORDS
from deployments.video.transcript.json_segments import json_transcript
from deployments.video.transcript.subtitles import cues_of
from deployments.video.transcript.timing import words_in

Kind = Literal["srt", "vtt", "json"]
Origin = Literal["sidecar", "embedded", "speech"]

MAX_BYTES = 5 << 20
EMPTY = "the transcript holds no words"

__all__ = ["EMPTY", "MAX_BYTES", "MAX_TEXT", "Kind", "Origin", "parse_transcript"]


SLOWEST_S = 20.0  # more than any word takes; 20 ms are the shortest
MILLISECOND = 0.001


def parse_transcript(
    data: bytes,
    kind: Kind | None = None,
    *,
    origin: Origin = "sidecar",
    language: str | None = None,
    duration: Seconds | None = None,
    keep_labels: bool = False,
) -> Transcript:
    """The transcript in `data`. `kind` None: detected from its beginning. `duration` is the
    recording's. `keep_labels`: sound labels (`[MUSIC]`) and speakers' names count as words.

    Faults of single lines are repaired or skipped, and reported in `notes`. Raises
    TranscriptRefused: too large, not of that kind, without a usable line, or entirely outside the
    recording. A well-formed transcript without words has the origin `none`.
    """
    check_size("bytes", len(data), MAX_BYTES)
    notes = Notes()
    text, encoding = decode(data, notes)
    kind = kind or _kind(text)
    if kind not in get_args(Kind):
        raise TranscriptRefused(f"kind: is '{kind[:20]}'; known are {', '.join(get_args(Kind))}.")
    cues, own_language = _cues(text, kind, duration, notes)
    words = words_in(bound_cues(cues, notes), keep_labels=keep_labels)
    check_size("words", len(words), MAX_WORDS)
    check_within(words, duration, notes)
    language = own_language or language
    if not words:
        return Transcript((), "none", language, EMPTY, encoding, notes.sentences())
    return Transcript(words, origin, language, "", encoding, notes.sentences())


def _cues(
    text: str, kind: Kind, duration: Seconds | None, notes: Notes
) -> tuple[Iterable[TranscriptCue], str | None]:
    if kind != "json":
        return cues_of(text, kind, notes), None
    transcript = json_transcript(text, notes)
    if transcript.unit_known:
        return transcript.cues, transcript.language
    return in_seconds(transcript.cues, duration or transcript.duration, notes), transcript.language


def _kind(text: str) -> Kind:
    beginning = text[:1000].lstrip()
    if beginning.startswith("WEBVTT"):
        return "vtt"
    return "json" if beginning[:1] in ("{", "[") else "srt"


def in_seconds(
    cues: Sequence[TranscriptCue], duration: Seconds | None, notes: Notes
) -> list[TranscriptCue]:
    """`cues`, whose times are read as milliseconds if they cannot be seconds: whole numbers, more
    than 20 a word, that lie within the recording only if they are thousandths."""
    ends = [cue.end for cue in cues if cue.end < UNKNOWN] + [cue.start for cue in cues]
    if duration is None or not ends or not duration < max(ends) <= (duration + 1) / MILLISECOND:
        return list(cues)
    if not all(end.is_integer() for end in ends) or _median_word_duration(cues) < SLOWEST_S:
        return list(cues)
    notes.add("The times were read as milliseconds: as seconds they lie outside the recording.")
    return [_from_milliseconds(cue) for cue in cues]


def check_within(words: Sequence[Word], duration: Seconds | None, notes: Notes) -> None:
    """Raises TranscriptRefused if all words are after the recording's end."""
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


def _median_word_duration(cues: Sequence[TranscriptCue]) -> float:
    """In the units of the transcript."""
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


def _from_milliseconds(cue: TranscriptCue) -> TranscriptCue:
    words = tuple(TimedLine(w.text, _scale(w.start), _scale(w.end)) for w in cue.words)
    return replace(cue, start=cue.start * MILLISECOND, end=cue.end * MILLISECOND, words=words)


def _scale(value: Seconds | None) -> Seconds | None:
    return None if value is None else value * MILLISECOND
