"""SRT and WebVTT as programs write them: text in, cues out.

One pass over the lines: a line with two times and an arrow begins a cue, its text follows. Both
formats are read by the same rules, whichever the file claims to be: hours and fractions of seconds
may be missing, points and commas are equivalent. Libraries refuse deviations from the formats, and
their time grows with the square of the number of blank lines.
"""

import regex

from deployments.sandbox.errors import TranscriptRefused
from deployments.video.transcript.cues import (
    MAX_CUES,
    MAX_TEXT,
    Notes,
    TranscriptCue,
    check_size,
)
from deployments.video.transcript.times import timing

_NUMBER = regex.compile(r"\s{0,9}\d{1,9}\s{0,9}")
_BLOCK = regex.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def cues_of(text: str, kind: str, notes: Notes) -> list[TranscriptCue]:
    """Raises TranscriptRefused: no cue in it, or too many."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    check_size("cues", text.count("-->"), MAX_CUES)
    is_vtt = text.lstrip()[:6] == "WEBVTT"
    cues: list[TranscriptCue] = []
    pending_lines: list[str] = []  # the lines since the last line with times
    times: tuple[float, float] | None = None
    for line in lines:
        line_times = timing(line) if ">" in line else None
        if line_times is None:
            pending_lines.append(line)
            continue
        if times is not None:
            cues.append(
                _cue(
                    times,
                    pending_lines[:-1] if _ends_with_cue_number(pending_lines) else pending_lines,
                    is_vtt,
                    notes,
                )
            )
        times, pending_lines = line_times, []
    if times is not None:
        cues.append(_cue(times, pending_lines, is_vtt, notes))
    if not cues and _has_text(text):
        raise TranscriptRefused(f"No line with times was found in this {kind.upper()} file.")
    return cues


def _cue(times: tuple[float, float], lines: list[str], is_vtt: bool, notes: Notes) -> TranscriptCue:
    text = _vtt_payload(lines) if is_vtt else _srt_payload(lines, notes)
    if len(text) > MAX_TEXT:
        notes.count("line", f"cut to {MAX_TEXT} characters")
    return TranscriptCue(*times, text[:MAX_TEXT])


def _ends_with_cue_number(lines: list[str]) -> bool:
    """Whether the last line is the number of the following cue."""
    return bool(lines) and _NUMBER.fullmatch(lines[-1][:30]) is not None


def _srt_payload(lines: list[str], notes: Notes) -> str:
    """Up to a cue whose own times cannot be read, which begins with a number after a blank line."""
    for index in range(1, len(lines) - 1):
        blank = not lines[index - 1].strip()
        if blank and "->" in lines[index + 1][:80] and _NUMBER.fullmatch(lines[index][:30]):
            notes.count("line", "left out: its times cannot be read", lines[index + 1].strip()[:40])
            lines = lines[:index]
            break
    return "\n".join(lines)


def _vtt_payload(lines: list[str]) -> str:
    """Up to a blank line; notes, styles and names of cues follow. Edited files may have blank lines
    at the beginning of a cue."""
    first = next((index for index, line in enumerate(lines) if line.strip()), len(lines))
    if _BLOCK.match(lines[first][:20]) if first < len(lines) and first else False:
        return ""
    last = next((index for index in range(first, len(lines)) if not lines[index]), len(lines))
    return "\n".join(lines[first:last])


def _has_text(text: str) -> bool:
    return bool(text.strip().removeprefix("WEBVTT").strip())
