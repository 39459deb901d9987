"""Transcripts as JSON: the shapes that speech tools write in, cues out.

Taken are a list of `{start, end, text}`, an object whose `segments` is such a list (Whisper,
faster-whisper, WhisperX), each with its own `words` or not, and an object with `words` alone.
Times are seconds.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from deployments.clipper.transcript.cues import Cue, Spoken
from deployments.clipper.transcript.failures import TranscriptRefused, at_most
from deployments.clipper.transcript.subtitles import MAX_CUES

MAX_WORDS = 200_000
LATEST_S = 1e6


def cues_and_language(text: str) -> tuple[list[Cue], str | None]:
    """Raises TranscriptRefused, with a JSON pointer to what is wrong."""
    try:
        said = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        raise TranscriptRefused("The transcript is not JSON.") from error
    if isinstance(said, Mapping):
        language = said.get("language")
        return _of_object(said), language[:20] if isinstance(language, str) else None
    return _segments(said, ""), None


def _of_object(said: Mapping[str, Any]) -> list[Cue]:
    if "segments" in said:
        return _segments(said["segments"], "/segments")
    if "words" not in said:
        raise TranscriptRefused("The transcript has neither 'segments' nor 'words'.")
    words = _words(said["words"], "/words")
    times = [time for word in words for time in (word.start, word.end) if time is not None]
    if not times and words:
        raise TranscriptRefused("/words: not one word has a time.", pointer="/words")
    return [Cue(min(times), max(times), "", words)] if words else []


def _segments(said: Any, pointer: str) -> list[Cue]:
    entries = _list(said, pointer)
    at_most("cues", len(entries), MAX_CUES)
    cues = [_segment(entry, f"{pointer}/{number}") for number, entry in enumerate(entries)]
    at_most("words", sum(len(cue.words) for cue in cues), MAX_WORDS)
    return cues


def _segment(entry: Any, pointer: str) -> Cue:
    if not isinstance(entry, Mapping):
        raise TranscriptRefused(f"{pointer}: is not an object.", pointer=pointer)
    words = _words(entry["words"], f"{pointer}/words") if entry.get("words") else ()
    text = entry.get("text", "")
    if not isinstance(text, str):
        raise TranscriptRefused(f"{pointer}/text: is not a string.", pointer=f"{pointer}/text")
    start, end = (_time(entry, name, pointer) for name in ("start", "end"))
    if start is None or end is None:
        raise TranscriptRefused(f"{pointer}: has no 'start' and 'end'.", pointer=pointer)
    return Cue(start, end, text, words)


def _words(said: Any, pointer: str) -> tuple[Spoken, ...]:
    entries = _list(said, pointer)
    at_most("words", len(entries), MAX_WORDS)
    return tuple(_word(entry, f"{pointer}/{number}") for number, entry in enumerate(entries))


def _word(entry: Any, pointer: str) -> Spoken:
    text = entry.get("word", entry.get("text")) if isinstance(entry, Mapping) else None
    if not isinstance(text, str):
        raise TranscriptRefused(f"{pointer}: has no 'word'.", pointer=pointer)
    return Spoken(text, _time(entry, "start", pointer), _time(entry, "end", pointer))


def _list(said: Any, pointer: str) -> list[Any]:
    if not isinstance(said, list):
        raise TranscriptRefused(f"{pointer or 'transcript'}: is not a list.", pointer=pointer)
    return said


def _time(entry: Mapping[str, Any], name: str, pointer: str) -> float | None:
    """Seconds; a little below 0 is 0."""
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -60 < value < LATEST_S:
        where = f"{pointer}/{name}"
        raise TranscriptRefused(f"{where}: is not a time in seconds.", pointer=where)
    return max(0.0, float(value))
