"""SRT and WebVTT as the world writes them: text in, cues out. Nothing here cares for words.

One pass over the lines, each looked at once: a line with two times and an arrow begins a cue, what
follows is its text. Both formats are read by the same rules, whichever the file claims to be: hours
and fractions of seconds may be missing, points and commas are the same. Libraries refuse what is
not to the letter, and take a time that grows with the square of the number of blank lines.
"""

import regex

from deployments.video.transcript.cues import (
    MAX_CUES,
    MAX_TEXT,
    TranscriptCue,
    TranscriptRefused,
    check_size,
)
from deployments.video.transcript.notes import Notes
from deployments.video.transcript.times import timing

_NUMBER = regex.compile(r"\s{0,9}\d{1,9}\s{0,9}")
_BLOCK = regex.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def cues_of(text: str, kind: str, notes: Notes) -> list[TranscriptCue]:
    """Raises TranscriptRefused: no cue in it, or too many."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    check_size("cues", text.count("-->"), MAX_CUES)
    web = text.lstrip()[:6] == "WEBVTT"
    cues: list[TranscriptCue] = []
    held: list[str] = []  # the lines since the last line with times
    times: tuple[float, float] | None = None
    for line in lines:
        found = timing(line) if ">" in line else None
        if found is None:
            held.append(line)
            continue
        if times is not None:
            cues.append(_cue(times, held[:-1] if _numbers_next(held) else held, web, notes))
        times, held = found, []
    if times is not None:
        cues.append(_cue(times, held, web, notes))
    if not cues and _says_something(text):
        raise TranscriptRefused(f"No line with times was found in this {kind.upper()} file.")
    return cues


def _cue(times: tuple[float, float], lines: list[str], web: bool, notes: Notes) -> TranscriptCue:
    text = _payload_of_web(lines) if web else _payload(lines, notes)
    if len(text) > MAX_TEXT:
        notes.count("line", f"cut to {MAX_TEXT} characters")
    return TranscriptCue(*times, text[:MAX_TEXT])


def _numbers_next(lines: list[str]) -> bool:
    """Whether the last line is the number of the cue that follows."""
    return bool(lines) and _NUMBER.fullmatch(lines[-1][:30]) is not None


def _payload(lines: list[str], notes: Notes) -> str:
    """Up to a cue whose own times cannot be read: it begins with a number after a blank line."""
    for at in range(1, len(lines) - 1):
        blank = not lines[at - 1].strip()
        if blank and "->" in lines[at + 1][:80] and _NUMBER.fullmatch(lines[at][:30]):
            notes.count("line", "left out: its times cannot be read", lines[at + 1].strip()[:40])
            lines = lines[:at]
            break
    return "\n".join(lines)


def _payload_of_web(lines: list[str]) -> str:
    """Up to a blank line; notes, styles and names of cues follow. Files that were edited have
    blank lines at a cue's beginning."""
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    if _BLOCK.match(lines[first][:20]) if first < len(lines) and first else False:
        return ""
    last = next((at for at in range(first, len(lines)) if not lines[at]), len(lines))
    return "\n".join(lines[first:last])


def _says_something(text: str) -> bool:
    return bool(text.strip().removeprefix("WEBVTT").strip())
