"""Transcripts as JSON: the shapes that speech tools write in, cues out.

| shape | from |
|---|---|
| `[{start, end, text, words}]`, also an object a line | many |
| `{segments: [...]}`, each with its own `words` or not; `{segments, words}` | Whisper, faster-whisper, WhisperX, OpenAI's verbose_json |
| `{words: [...]}`, and with `audio_duration`, times in milliseconds | many; AssemblyAI |
| `{transcription: [{offsets, text, tokens}]}` | whisper.cpp |
| `{results: {channels: [{alternatives: [{words}]}]}}` | Deepgram |
| `{chunks: [{text, timestamp: [start, end]}]}` | Hugging Face pipelines |
| `{events: [{tStartMs, dDurationMs, segs}]}` | YouTube's json3 |
"""  # noqa: E501

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.contracts.media import Seconds
from deployments.sandbox.errors import TranscriptRefused
from deployments.video.transcript.alignment import align
from deployments.video.transcript.cues import (
    MAX_CUES,
    MAX_TEXT,
    UNKNOWN,
    Notes,
    TimedLine,
    TranscriptCue,
    check_size,
)
from deployments.video.transcript.json_entries import (
    milliseconds,
    segments,
    words,
    words_alone,
)
from deployments.video.transcript.times import number

_MAX_FAILED_LINES = 20  # lines of which one has to be JSON
_BROKEN = object()


@dataclass(frozen=True, slots=True)
class JsonTranscript:
    """`duration` is the recording's, if the transcript has it; `unit_known`: its shape implies that
    times are seconds."""

    cues: list[TranscriptCue]
    language: str | None = None
    duration: Seconds | None = None
    unit_known: bool = False


def json_transcript(text: str, notes: Notes) -> JsonTranscript:
    """Raises TranscriptRefused, with a JSON pointer to the fault."""
    data = loads(text, notes)
    if isinstance(data, Mapping):
        return _from_object(data, notes)
    return JsonTranscript(_from_list(data, "", notes))


def _from_object(data: Mapping[str, Any], notes: Notes) -> JsonTranscript:
    language = _language(data)
    if "segments" in data:
        cues = segments(data["segments"], "/segments", notes)
        if data.get("words") and not any(cue.words for cue in cues):
            cues = align(cues, words(data["words"], "/words", notes))
        return JsonTranscript(cues, language)
    if "words" in data:
        duration = number(data.get("audio_duration"))
        return JsonTranscript(words_alone(data["words"], "/words", notes), language, duration)
    for name, read in _SHAPES.items():
        if name in data:
            return JsonTranscript(read(data[name], notes), language, unit_known=True)
    raise TranscriptRefused(
        "The transcript has neither 'segments' nor 'words', nor another list that is known."
    )


def _from_list(data: Any, pointer: str, notes: Notes) -> list[TranscriptCue]:
    """Segments; or words, if the entries are words by their names."""
    first = data[0] if isinstance(data, list) and data else None
    if isinstance(first, Mapping) and "text" not in first and "word" in first:
        return words_alone(data, pointer, notes)
    return segments(data, pointer, notes)


def _from_transcription(data: Any, notes: Notes) -> list[TranscriptCue]:
    return segments(data, "/transcription", notes)


def _from_chunks(data: Any, notes: Notes) -> list[TranscriptCue]:
    cues = segments(data, "/chunks", notes)
    if sum(len(cue.text.split()) for cue in cues) > 1.2 * len(cues):
        return cues
    words = [TimedLine(cue.text, cue.start, cue.end if cue.end < UNKNOWN else None) for cue in cues]
    return [TranscriptCue(cues[0].start, UNKNOWN, "", tuple(words))] if cues else []


def _from_results(data: Any, notes: Notes) -> list[TranscriptCue]:
    channels = data.get("channels") if isinstance(data, Mapping) else None
    if not isinstance(channels, list):
        raise TranscriptRefused("/results/channels: is not a list.", pointer="/results/channels")
    cues: list[TranscriptCue] = []
    for index, channel in enumerate(channels[:32]):
        options = channel.get("alternatives") if isinstance(channel, Mapping) else None
        best = options[0] if isinstance(options, list) and options else None
        if isinstance(best, Mapping) and best.get("words"):
            pointer = f"/results/channels/{index}/alternatives/0/words"
            cues += words_alone(best["words"], pointer, notes)
    return cues


def _from_events(data: Any, notes: Notes) -> list[TranscriptCue]:
    if not isinstance(data, list):
        raise TranscriptRefused("/events: is not a list.", pointer="/events")
    cues: list[TranscriptCue] = []
    for index, event in enumerate(data):
        parts = event.get("segs") if isinstance(event, Mapping) else None
        if not isinstance(parts, list):
            continue
        start = milliseconds(event.get("tStartMs"))
        if start is None:
            notes.count("segment", "left out", f"/events/{index}: has no 'tStartMs'.")
            continue
        cues += _cues_of_event(start, milliseconds(event.get("dDurationMs")), parts)
    return cues


def _cues_of_event(
    start: Seconds, duration: Seconds | None, parts: list[Any]
) -> list[TranscriptCue]:
    segments = [part for part in parts if isinstance(part, Mapping)]
    text = "".join(part["utf8"] for part in segments if isinstance(part.get("utf8"), str))[
        :MAX_TEXT
    ]
    if not text.strip():
        return []
    end = UNKNOWN if duration is None else start + duration
    if not any("tOffsetMs" in part for part in segments):
        return [TranscriptCue(start, end, text)]
    words = tuple(
        TimedLine(
            str(part["utf8"])[:MAX_TEXT], start + (milliseconds(part.get("tOffsetMs")) or 0.0)
        )
        for part in segments
        if str(part.get("utf8", "")).strip()
    )
    return [TranscriptCue(start, end, text, words)]


def _language(data: Mapping[str, Any]) -> str | None:
    result, results = data.get("result"), data.get("results")
    channels = results.get("channels") if isinstance(results, Mapping) else None
    candidates: list[Any] = [data, result, *(channels if isinstance(channels, list) else [])[:1]]
    for candidate in candidates:
        for name in ("language", "language_code", "detected_language"):
            value = candidate.get(name) if isinstance(candidate, Mapping) else None
            if isinstance(value, str):
                return value[:20].replace("_", "-")
    return None


_SHAPES = {
    "transcription": _from_transcription,
    "chunks": _from_chunks,
    "results": _from_results,
    "events": _from_events,
}


def loads(text: str, notes: Notes) -> Any:
    """The JSON value; NaN and Infinity are null. For JSON Lines the list of the lines' values.
    Raises TranscriptRefused."""
    value = _parse_value(text)
    return value if value is not _BROKEN else _parse_lines(text, notes)


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return _BROKEN


def _parse_lines(text: str, notes: Notes) -> list[Any]:
    lines = [line for line in text.split("\n") if line.strip()]
    check_size("cues", len(lines), MAX_CUES)
    values: list[Any] = []
    for line_number, line in enumerate(lines, 1):
        value = _parse_value(line) if line.lstrip()[:1] == "{" else _BROKEN
        if value is not _BROKEN:
            values.append(value)
        elif line_number >= _MAX_FAILED_LINES and not values:
            break
        else:
            notes.count("line", "left out: it is not JSON", f"line {line_number}")
    if not values:
        raise TranscriptRefused("The transcript is not JSON.")
    return values
