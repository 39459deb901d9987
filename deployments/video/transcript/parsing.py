"""A transcript file of unknown make: bytes in, words out, or a refusal that says why.

    decode -> cues of its format -> times that fit the recording -> words

Every step takes a time proportional to the file's length; it runs in a confined child all the same
(reading.py), because the files come from strangers and Python code holds up whoever shares its
process.
"""

from collections.abc import Iterable
from typing import Literal, get_args

from deployments.contracts.media import Seconds, Transcript
from deployments.video.transcript.cues import MAX_TEXT, TranscriptCue, bounded
from deployments.video.transcript.encoding import decode
from deployments.video.transcript.failures import TranscriptRefused, check_size
from deployments.video.transcript.fitting import check_within, in_seconds
from deployments.video.transcript.json_entries import MAX_WORDS
from deployments.video.transcript.json_segments import json_transcript
from deployments.video.transcript.notes import Notes
from deployments.video.transcript.subtitles import cues_of
from deployments.video.transcript.timing import words_in

Kind = Literal["srt", "vtt", "json"]
Origin = Literal["sidecar", "embedded", "speech"]

MAX_BYTES = 5 << 20
EMPTY = "the transcript holds no words"

__all__ = ["EMPTY", "MAX_BYTES", "MAX_TEXT", "Kind", "Origin", "parse_transcript"]


def parse_transcript(
    data: bytes,
    kind: Kind | None = None,
    *,
    origin: Origin = "sidecar",
    language: str | None = None,
    duration: Seconds | None = None,
    keep_labels: bool = False,
) -> Transcript:
    """What `data` says. `kind` None: told from its beginning. `duration` is the recording's.
    `keep_labels`: sound labels (`[MUSIC]`) and speakers' names count as words.

    What is wrong with single lines is mended or left out, and said in `notes`. Raises
    TranscriptRefused: too large, not of that kind, without a single line that can be used, or
    altogether outside the recording. One that is well formed but says nothing gives a transcript
    of origin `none`.
    """
    check_size("bytes", len(data), MAX_BYTES)
    notes = Notes()
    text, encoding = decode(data, notes)
    kind = kind or _kind(text)
    if kind not in get_args(Kind):
        raise TranscriptRefused(f"kind: is '{kind[:20]}'; known are {', '.join(get_args(Kind))}.")
    cues, own_language = _cues(text, kind, duration, notes)
    words = words_in(bounded(cues, notes), keep_labels=keep_labels)
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
    read = json_transcript(text, notes)
    if read.unit_known:
        return read.cues, read.language
    return in_seconds(read.cues, duration or read.duration, notes), read.language


def _kind(text: str) -> Kind:
    begins = text[:1000].lstrip()
    if begins.startswith("WEBVTT"):
        return "vtt"
    return "json" if begins[:1] in ("{", "[") else "srt"
