"""JSON as programs write it: one value, or one a line; NaN and Infinity are no values."""

import json
from typing import Any

from deployments.video.transcript.cues import MAX_CUES
from deployments.video.transcript.failures import TranscriptRefused, check_size
from deployments.video.transcript.notes import Notes

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
    for number, line in enumerate(lines, 1):
        value = _value(line) if line.lstrip()[:1] == "{" else _BROKEN
        if value is not _BROKEN:
            found.append(value)
        elif number >= _TRIED and not found:
            break
        else:
            notes.count("line", "left out: it is not JSON", f"line {number}")
    if not found:
        raise TranscriptRefused("The transcript is not JSON.")
    return found
