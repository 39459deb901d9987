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
from deployments.video.transcript.alignment import aligned
from deployments.video.transcript.cues import (
    MAX_CUES,
    MAX_TEXT,
    UNKNOWN,
    TimedLine,
    TranscriptCue,
    TranscriptRefused,
    check_size,
)
from deployments.video.transcript.json_entries import (
    milliseconds,
    segments,
    words,
    words_alone,
)
from deployments.video.transcript.notes import Notes
from deployments.video.transcript.times import number


@dataclass(frozen=True, slots=True)
class JsonTranscript:
    """`duration` is that of the recording, where the transcript says it; `unit_known`: the times
    are seconds by its shape, and not because most are."""

    cues: list[TranscriptCue]
    language: str | None = None
    duration: Seconds | None = None
    unit_known: bool = False


def json_transcript(text: str, notes: Notes) -> JsonTranscript:
    """Raises TranscriptRefused, with a JSON pointer to what is wrong."""
    said = loads(text, notes)
    if isinstance(said, Mapping):
        return _of_object(said, notes)
    return JsonTranscript(_of_list(said, "", notes))


def _of_object(said: Mapping[str, Any], notes: Notes) -> JsonTranscript:
    language = _language(said)
    if "segments" in said:
        found = segments(said["segments"], "/segments", notes)
        if said.get("words") and not any(cue.words for cue in found):
            found = aligned(found, words(said["words"], "/words", notes))
        return JsonTranscript(found, language)
    if "words" in said:
        duration = number(said.get("audio_duration"))
        return JsonTranscript(words_alone(said["words"], "/words", notes), language, duration)
    for name, read in _SHAPES.items():
        if name in said:
            return JsonTranscript(read(said[name], notes), language, unit_known=True)
    raise TranscriptRefused(
        "The transcript has neither 'segments' nor 'words', nor another list that is known."
    )


def _of_list(said: Any, pointer: str, notes: Notes) -> list[TranscriptCue]:
    """Segments; or words, where each entry is one by its name."""
    first = said[0] if isinstance(said, list) and said else None
    if isinstance(first, Mapping) and "text" not in first and "word" in first:
        return words_alone(said, pointer, notes)
    return segments(said, pointer, notes)


def _of_transcription(said: Any, notes: Notes) -> list[TranscriptCue]:
    return segments(said, "/transcription", notes)


def _of_chunks(said: Any, notes: Notes) -> list[TranscriptCue]:
    found = segments(said, "/chunks", notes)
    if sum(len(cue.text.split()) for cue in found) > 1.2 * len(found):
        return found
    spoken = [
        TimedLine(cue.text, cue.start, cue.end if cue.end < UNKNOWN else None) for cue in found
    ]
    return [TranscriptCue(found[0].start, UNKNOWN, "", tuple(spoken))] if found else []


def _of_results(said: Any, notes: Notes) -> list[TranscriptCue]:
    channels = said.get("channels") if isinstance(said, Mapping) else None
    if not isinstance(channels, list):
        raise TranscriptRefused("/results/channels: is not a list.", pointer="/results/channels")
    found: list[TranscriptCue] = []
    for place, channel in enumerate(channels[:32]):
        options = channel.get("alternatives") if isinstance(channel, Mapping) else None
        best = options[0] if isinstance(options, list) and options else None
        if isinstance(best, Mapping) and best.get("words"):
            pointer = f"/results/channels/{place}/alternatives/0/words"
            found += words_alone(best["words"], pointer, notes)
    return found


def _of_events(said: Any, notes: Notes) -> list[TranscriptCue]:
    if not isinstance(said, list):
        raise TranscriptRefused("/events: is not a list.", pointer="/events")
    found: list[TranscriptCue] = []
    for place, event in enumerate(said):
        parts = event.get("segs") if isinstance(event, Mapping) else None
        if not isinstance(parts, list):
            continue
        start = milliseconds(event.get("tStartMs"))
        if start is None:
            notes.count("segment", "left out", f"/events/{place}: has no 'tStartMs'.")
            continue
        found += _of_event(start, milliseconds(event.get("dDurationMs")), parts)
    return found


def _of_event(start: Seconds, duration: Seconds | None, parts: list[Any]) -> list[TranscriptCue]:
    said = [part for part in parts if isinstance(part, Mapping)]
    text = "".join(part["utf8"] for part in said if isinstance(part.get("utf8"), str))[:MAX_TEXT]
    if not text.strip():
        return []
    end = UNKNOWN if duration is None else start + duration
    if not any("tOffsetMs" in part for part in said):
        return [TranscriptCue(start, end, text)]
    spoken = tuple(
        TimedLine(
            str(part["utf8"])[:MAX_TEXT], start + (milliseconds(part.get("tOffsetMs")) or 0.0)
        )
        for part in said
        if str(part.get("utf8", "")).strip()
    )
    return [TranscriptCue(start, end, text, spoken)]


def _language(said: Mapping[str, Any]) -> str | None:
    result, results = said.get("result"), said.get("results")
    channels = results.get("channels") if isinstance(results, Mapping) else None
    places: list[Any] = [said, result, *(channels if isinstance(channels, list) else [])[:1]]
    for place in places:
        for name in ("language", "language_code", "detected_language"):
            value = place.get(name) if isinstance(place, Mapping) else None
            if isinstance(value, str):
                return value[:20].replace("_", "-")
    return None


_SHAPES = {
    "transcription": _of_transcription,
    "chunks": _of_chunks,
    "results": _of_results,
    "events": _of_events,
}

_TRIED = 20  # lines of which one has to be JSON


def loads(text: str, notes: Notes) -> Any:
    """The value, or the list of the lines' values. Raises TranscriptRefused."""
    found = _value(text)
    return found if found is not _BROKEN else _lines(text, notes)


_BROKEN = object()


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return _BROKEN


def _lines(text: str, notes: Notes) -> list[Any]:
    lines = [line for line in text.split("\n") if line.strip()]
    check_size("cues", len(lines), MAX_CUES)
    found: list[Any] = []
    for line_number, line in enumerate(lines, 1):
        value = _value(line) if line.lstrip()[:1] == "{" else _BROKEN
        if value is not _BROKEN:
            found.append(value)
        elif line_number >= _TRIED and not found:
            break
        else:
            notes.count("line", "left out: it is not JSON", f"line {line_number}")
    if not found:
        raise TranscriptRefused("The transcript is not JSON.")
    return found
