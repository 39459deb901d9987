"""Rolling captions: each line is shown twice or more, and kept once.

YouTube's automatic captions show a line while it is said, then alone for 10 ms, then again as the
upper line. Inline times (`<00:00:00.960>`, WebVTT section 4.2.2) are the starts of words.
"""

from collections.abc import Sequence
from dataclasses import replace

import regex

from deployments.video.transcript.cues import TimedLine, TranscriptCue
from deployments.video.transcript.text import strip_markup
from deployments.video.transcript.times import clock

TRANSITION_S = 0.021  # the duration of a cue that only moves lines up
_GAP_S = 0.1  # at most between a cue and its repetition
_STAMP = regex.compile(r"<((?:\d{1,4}:)?\d{1,3}:\d{1,2}[.,]\d{1,6})>")


def drop_repeated_lines(cues: Sequence[TranscriptCue]) -> list[TranscriptCue]:
    """`cues`, in order of time, without lines that an earlier cue shows already."""
    is_rolling = _is_rolling(cues)
    result: list[TranscriptCue] = []
    shown: list[str] = []
    until = 0.0
    for cue in cues:
        if cue.words:
            result.append(cue)
            continue
        lines = [line for line in lines_of(cue.text) if strip_markup(line)]
        plain_lines = [strip_markup(line) for line in lines]
        repeated = _repeated_count(shown, plain_lines) if cue.start - until < _GAP_S else 0
        if repeated == len(lines) and not (is_rolling or cue.end - cue.start < TRANSITION_S):
            repeated = 0
        if repeated < len(lines):
            result.append(replace(cue, text="\n".join(lines[repeated:])))
        if lines:
            shown, until = plain_lines, max(cue.end, cue.start)
    return result


def with_inline_times(cue: TranscriptCue) -> TranscriptCue:
    """The cue with words from the times in its text; unchanged if it has none."""
    parts = _STAMP.split(cue.text)
    if len(parts) < 3 or cue.words:
        return cue
    start, pieces = cue.start, [(cue.start, parts[0])]
    for stamp, text in zip(parts[1::2], parts[2::2], strict=True):
        stamp_s = clock(stamp)
        start = start if stamp_s is None else min(max(start, stamp_s), cue.end)
        pieces.append((start, text))
    ends = [start for start, _ in pieces[1:]] + [cue.end]
    words = [
        TimedLine(text, start, end)
        for (start, text), end in zip(pieces, ends, strict=True)
        if text.strip()
    ]
    return replace(cue, words=tuple(words)) if words else cue


def lines_of(text: str) -> list[str]:
    return text.replace("\\N", "\n").splitlines()


def _repeated_count(shown: Sequence[str], lines: Sequence[str]) -> int:
    """How many of the first `lines` are the last of `shown`."""
    for count in range(min(len(shown), len(lines), 4), 0, -1):
        if list(shown[-count:]) == list(lines[:count]):
            return count
    return 0


def _is_rolling(cues: Sequence[TranscriptCue]) -> bool:
    """Whether cues of no length repeat others, as in automatic captions."""
    short = sum(1 for cue in cues if not cue.words and cue.end - cue.start < TRANSITION_S)
    return short >= max(1, len(cues) // 5)
