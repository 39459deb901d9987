"""Transcripts in the formats of OpenAI's API: json, verbose_json, srt, vtt, text.

Flows in: a transcript document (documents.py). Flows out: JSON values, or text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.media.language_names import english_name

RENDERED = frozenset({"srt", "vtt", "text"})  # the others are JSON
MEDIA_TYPES = {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}


def to_srt(segments: Sequence[Mapping[str, Any]]) -> str:
    """SubRip. A transcript without words is an empty text."""
    return "".join(
        f"{number}\n{_time(each['start'], ',')} --> {_time(each['end'], ',')}\n"
        f"{_line(each['text'])}\n\n"
        for number, each in enumerate(segments, 1)
    )


def to_vtt(segments: Sequence[Mapping[str, Any]]) -> str:
    """WebVTT."""
    cues = "".join(
        f"{_time(each['start'], '.')} --> {_time(each['end'], '.')}\n"
        f"{_escaped(_line(each['text']))}\n\n"
        for each in segments
    )
    return f"WEBVTT\n\n{cues}"


def to_text(transcript: Mapping[str, Any]) -> str:
    return f"{transcript['text']}\n"


def render_text(transcript: Mapping[str, Any], format: str) -> str:
    """`format`: srt, vtt or text."""
    if format == "srt":
        return to_srt(transcript["segments"])
    return to_vtt(transcript["segments"]) if format == "vtt" else to_text(transcript)


def verbose_json(transcript: Mapping[str, Any], *, words: bool, segments: bool) -> dict[str, Any]:
    """As OpenAI answers it: the language by its name, words apart from segments."""
    code = transcript["language"]
    body: dict[str, Any] = {
        "task": transcript["task"],
        "language": english_name(code) if transcript["task"] == "transcribe" else "english",
        "duration": transcript["duration"],
        "text": transcript["text"],
    }
    if words:
        body["words"] = [
            {"word": word["word"], "start": word["start"], "end": word["end"]}
            for segment in transcript["segments"]
            for word in segment["words"]
        ]
    if segments:
        body["segments"] = [
            {name: value for name, value in segment.items() if name != "words"}
            for segment in transcript["segments"]
        ]
    return body


def _time(second: float, separator: str) -> str:
    ms = max(0, round(second * 1000))
    rest, ms = divmod(ms, 1000)
    minutes, seconds = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{ms:03}"


def _line(text: str) -> str:
    """On one line: a blank one would end the cue."""
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
