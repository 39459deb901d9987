"""Segments with punctuation and words with times, brought together.

OpenAI's verbose_json has the exact times of bare words (`hi`) beside segments with the sentence as
it is written (` Hi there.`). One pass: each written word takes the time of the next spoken word
that has its letters, a few words on at most; one that finds none gets the gap between its
neighbours later. A written word may be several spoken ones (`Good-bye`).
"""

from collections.abc import Sequence
from dataclasses import replace

import regex

from deployments.video.transcript.cues import TimedLine, TranscriptCue
from deployments.video.transcript.text import strip_markup

_LETTERS = regex.compile(r"[^\p{L}\p{N}]+")
_AHEAD = 6
_SLACK_S = 1.0


def aligned(cues: Sequence[TranscriptCue], words: Sequence[TimedLine]) -> list[TranscriptCue]:
    """`cues` with words whose texts are the cues' and whose times are those of `words`. A cue in
    which none is found stays as it is."""
    timed = sorted((word for word in words if word.start is not None), key=lambda w: w.start or 0.0)
    spoken = [(_letters(word.text), word) for word in timed]
    found: list[TranscriptCue] = []
    at = 0
    for cue in sorted(cues, key=lambda cue: cue.start):
        while at < len(spoken) and (spoken[at][1].start or 0.0) < cue.start - _SLACK_S:
            at += 1
        matched: list[TimedLine] = []
        for text in strip_markup(cue.text).split():
            count, taken = _match(spoken, at, _letters(text), cue.end)
            matched.append(_timed(text, [word for _, word in spoken[taken : taken + count]]))
            at = taken + count if count else at
        known = any(word.start is not None for word in matched)
        found.append(replace(cue, words=tuple(matched)) if known else cue)
    return found


def _match(
    spoken: Sequence[tuple[str, TimedLine]], at: int, letters: str, end: float
) -> tuple[int, int]:
    """How many spoken words make up `letters`, and the first of them; 0: none do."""
    for first in range(at, min(at + _AHEAD, len(spoken)) if letters else at):
        if (spoken[first][1].start or 0.0) > end + _SLACK_S:
            break
        joined = ""
        for count in range(1, min(_AHEAD, len(spoken) - first) + 1):
            joined += spoken[first + count - 1][0]
            if joined == letters:
                return count, first
            if not letters.startswith(joined):
                break
    return 0, at


def _timed(text: str, words: Sequence[TimedLine]) -> TimedLine:
    return TimedLine(text, words[0].start, words[-1].end) if words else TimedLine(text)


def _letters(text: str) -> str:
    return str(_LETTERS.sub("", strip_markup(text))).casefold()
