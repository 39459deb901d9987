"""Captions that roll: each line is shown twice or more, and is to be said once.

YouTube's automatic captions show a line while it is said, then alone for 10 ms, then again as the
upper line. Inline times (`<00:00:00.960>`, WebVTT section 4.2.2) say when each word begins.
"""

from collections.abc import Sequence
from dataclasses import replace

import regex

from deployments.video.transcript.cues import TimedLine, TranscriptCue
from deployments.video.transcript.text import strip_markup
from deployments.video.transcript.times import clock

TRANSITION_S = 0.021  # the duration of a cue that only moves lines up
_GAP_S = 0.1  # between two cues one of which rolls on
_STAMP = regex.compile(r"<((?:\d{1,4}:)?\d{1,3}:\d{1,2}[.,]\d{1,6})>")


def said_once(cues: Sequence[TranscriptCue]) -> list[TranscriptCue]:
    """`cues`, in order of time, without lines that an earlier one shows already."""
    rolls = _rolls(cues)
    found: list[TranscriptCue] = []
    shown: list[str] = []
    until = 0.0
    for cue in cues:
        if cue.words:
            found.append(cue)
            continue
        lines = [line for line in lines_of(cue.text) if strip_markup(line)]
        seen = [strip_markup(line) for line in lines]
        known = _repeated(shown, seen) if cue.start - until < _GAP_S else 0
        if known == len(lines) and not (rolls or cue.end - cue.start < TRANSITION_S):
            known = 0
        if known < len(lines):
            found.append(replace(cue, text="\n".join(lines[known:])))
        if lines:
            shown, until = seen, max(cue.end, cue.start)
    return found


def with_inline_times(cue: TranscriptCue) -> TranscriptCue:
    """The cue with the words whose times are written within its text; as it is without them."""
    parts = _STAMP.split(cue.text)
    if len(parts) < 3 or cue.words:
        return cue
    at, pieces = cue.start, [(cue.start, parts[0])]
    for stamp, text in zip(parts[1::2], parts[2::2], strict=True):
        said = clock(stamp)
        at = at if said is None else min(max(at, said), cue.end)
        pieces.append((at, text))
    ends = [start for start, _ in pieces[1:]] + [cue.end]
    words = [
        TimedLine(text, start, end)
        for (start, text), end in zip(pieces, ends, strict=True)
        if text.strip()
    ]
    return replace(cue, words=tuple(words)) if words else cue


def lines_of(text: str) -> list[str]:
    return text.replace("\\N", "\n").splitlines()


def _repeated(shown: Sequence[str], lines: Sequence[str]) -> int:
    """How many of the first `lines` are the last of `shown`."""
    for count in range(min(len(shown), len(lines), 4), 0, -1):
        if list(shown[-count:]) == list(lines[:count]):
            return count
    return 0


def _rolls(cues: Sequence[TranscriptCue]) -> bool:
    """Whether cues of no length repeat others here, as in captions that were made automatically."""
    short = sum(1 for cue in cues if not cue.words and cue.end - cue.start < TRANSITION_S)
    return short >= max(1, len(cues) // 5)
