"""Segments and words of JSON transcripts: entries in, cues and words out.

An unusable entry is skipped and counted; only if none is left, the transcript is refused, with a
JSON pointer to the first. A start or an end that is missing, null or NaN is unknown.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from deployments.contracts.media import Seconds
from deployments.sandbox.errors import TranscriptRefused
from deployments.video.transcript.cues import (
    MAX_CUES,
    MAX_TEXT,
    UNKNOWN,
    Notes,
    TimedLine,
    TranscriptCue,
    check_size,
)
from deployments.video.transcript.times import number

MAX_WORDS = 200_000
_SEGMENT_TEXTS = ("text", "transcript", "word")
_WORD_TEXTS = ("punctuated_word", "word", "text")
_LEFT_OUT = "left out"

Span = tuple[Seconds | None, Seconds | None]


class Unusable(Exception):
    """The fault of one entry: a JSON pointer and a sentence."""


def segments(entries: Any, pointer: str, notes: Notes) -> list[TranscriptCue]:
    """Raises TranscriptRefused: not a list, too many, or none is usable."""
    cues: list[TranscriptCue] = []
    total = 0
    items = _list(entries, pointer)
    check_size("cues", len(items), MAX_CUES)
    for index, entry in enumerate(items):
        try:
            cue = _segment(entry, f"{pointer}/{index}", notes)
        except Unusable as error:
            notes.count("segment", _LEFT_OUT, str(error))
            continue
        total += len(cue.words)
        check_size("words", total, MAX_WORDS)
        cues.append(cue)
    if items and not cues:
        raise TranscriptRefused(notes.first(), pointer=notes.first().partition(":")[0])
    return cues


def words(entries: Any, pointer: str, notes: Notes) -> tuple[TimedLine, ...]:
    """Raises TranscriptRefused: not a list, or too many."""
    items = _list(entries, pointer)
    check_size("words", len(items), MAX_WORDS)
    result: list[TimedLine] = []
    for index, entry in enumerate(items):
        try:
            result.append(_word(entry, f"{pointer}/{index}", notes))
        except Unusable as error:
            notes.count("word", _LEFT_OUT, str(error))
    return tuple(result)


def words_alone(entries: Any, pointer: str, notes: Notes) -> list[TranscriptCue]:
    """One cue of all words. Raises TranscriptRefused if none has a time."""
    words_with_times = words(entries, pointer, notes)
    times = [
        time for word in words_with_times for time in (word.start, word.end) if time is not None
    ]
    if not times:
        if not entries:
            return []
        raise TranscriptRefused(f"{pointer}: not one word has a time.", pointer=pointer)
    return [TranscriptCue(min(times), max(times), "", words_with_times)]


def milliseconds(value: Any) -> Seconds | None:
    value_in_ms = number(value)
    return None if value_in_ms is None else value_in_ms / 1000


def _segment(entry: Any, pointer: str, notes: Notes) -> TranscriptCue:
    if not isinstance(entry, Mapping):
        raise Unusable(f"{pointer}: is not an object.")
    text = _text(entry, _SEGMENT_TEXTS, pointer, notes)
    own_words: tuple[TimedLine, ...] = ()
    if isinstance(entry.get("words"), list):
        own_words = words(entry["words"], f"{pointer}/words", notes)
    elif isinstance(entry.get("tokens"), list):
        own_words = _words_of_tokens(entry["tokens"])
    start, end = _span(entry, pointer)
    if start is None:
        start = min((word.start for word in own_words if word.start is not None), default=None)
    if start is None:
        raise Unusable(f"{pointer}: has no 'start'.")
    if any(word.start is not None for word in own_words):
        return TranscriptCue(start, UNKNOWN if end is None else end, text, own_words)
    return TranscriptCue(
        start, UNKNOWN if end is None else end, text or " ".join(w.text for w in own_words)
    )


def _word(entry: Any, pointer: str, notes: Notes) -> TimedLine:
    if not isinstance(entry, Mapping):
        raise Unusable(f"{pointer}: is not an object.")
    text = _text(entry, _WORD_TEXTS, pointer, notes)
    if not text.strip():
        raise Unusable(f"{pointer}: has no 'word'.")
    try:
        return TimedLine(text, *_span(entry, pointer))
    except Unusable as error:
        notes.count("word", "taken without its time", str(error))
        return TimedLine(text)


def _words_of_tokens(entries: Iterable[Any]) -> tuple[TimedLine, ...]:
    """The words of whisper.cpp's tokens: a word begins with a space."""
    result: list[TimedLine] = []
    for entry in entries:
        text = entry.get("text") if isinstance(entry, Mapping) else None
        if not isinstance(text, str) or text.startswith("[_") or len(result) > MAX_WORDS:
            continue
        start, end = _span(entry, "")
        if result and not text.startswith(" "):
            last = result[-1]
            result[-1] = TimedLine((last.text + text)[:MAX_TEXT], last.start, end or last.end)
        else:
            result.append(TimedLine(text[:MAX_TEXT], start, end))
    return tuple(result)


def _text(entry: Mapping[str, Any], names: Iterable[str], pointer: str, notes: Notes) -> str:
    for name in names:
        value = entry.get(name)
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                notes.count("text", f"cut to {MAX_TEXT} characters", f"{pointer}/{name}")
            return value[:MAX_TEXT]
        if value is not None:
            raise Unusable(f"{pointer}/{name}: is not a string.")
    return ""


def _span(entry: Mapping[str, Any], pointer: str) -> Span:
    """Raises Unusable if the start is present, but not a time."""
    offsets, pair, times = (entry.get(name) for name in ("offsets", "timestamp", "timestamps"))
    if isinstance(offsets, Mapping):
        return milliseconds(offsets.get("from")), milliseconds(offsets.get("to"))
    if isinstance(times, Mapping):
        return number(times.get("from")), number(times.get("to"))
    if isinstance(pair, list) and len(pair) == 2:
        return number(pair[0]), number(pair[1])
    start, end = number(entry.get("start")), number(entry.get("end"))
    if start is None and entry.get("start") is not None:
        raise Unusable(f"{pointer}/start: is not a time in seconds.")
    return start, end


def _list(value: Any, pointer: str) -> list[Any]:
    if not isinstance(value, list):
        raise TranscriptRefused(f"{pointer or 'transcript'}: is not a list.", pointer=pointer)
    return value
