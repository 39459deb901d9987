"""A transcript file of unknown make: bytes in, words out, or a refusal that says why."""

from typing import Literal, get_args

from deployments.clipper.transcript.cues import Cue
from deployments.clipper.transcript.failures import TranscriptRefused, at_most
from deployments.clipper.transcript.json_segments import MAX_WORDS, cues_and_language
from deployments.clipper.transcript.subtitles import cues_of
from deployments.clipper.transcript.timing import words_in
from deployments.contracts.media import Transcript

Kind = Literal["srt", "vtt", "json"]
Origin = Literal["sidecar", "embedded", "speech"]

MAX_BYTES = 5 << 20
MAX_TEXT = 20_000  # characters of one cue or word
EMPTY = "the transcript holds no words"


def parse_transcript(
    data: bytes,
    kind: Kind | None = None,
    *,
    origin: Origin = "sidecar",
    language: str | None = None,
) -> Transcript:
    """What `data` says. `kind` None: told from its beginning. Text is UTF-8, UTF-16 with its mark,
    or else Latin. Raises TranscriptRefused: too large, not of that kind, or with values that cannot
    be. One that is well formed but says nothing gives a transcript of origin `none`.
    """
    at_most("bytes", len(data), MAX_BYTES)
    text = _decoded(data)
    kind = kind or _kind(text)
    if kind not in get_args(Kind):
        raise TranscriptRefused(f"kind: is '{kind[:20]}'; known are {', '.join(get_args(Kind))}.")
    cues, own_language = cues_and_language(text) if kind == "json" else (cues_of(text, kind), None)
    return transcript_of(cues, origin, own_language or language)


def transcript_of(cues: list[Cue], origin: Origin, language: str | None) -> Transcript:
    """Raises TranscriptRefused: too much text."""
    texts = (text for cue in cues for text in (cue.text, *(word.text for word in cue.words)))
    at_most("text", max(map(len, texts), default=0), MAX_TEXT)
    words = words_in(cues)
    at_most("words", len(words), MAX_WORDS)
    if not words:
        return Transcript((), "none", language, EMPTY)
    return Transcript(words, origin, language)


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _kind(text: str) -> Kind:
    begins = text[:1000].lstrip()
    if begins.startswith("WEBVTT"):
        return "vtt"
    return "json" if begins[:1] in ("{", "[") else "srt"
