"""Aligns segments with punctuation and words with times.

OpenAI's verbose_json has the exact times of bare words (`hi`) beside segments with the written
sentence (` Hi there.`). One pass: each written word takes the time of the next spoken word with its
letters, at most a few words ahead; one without a match later gets the gap between its neighbours. A
written word may be several spoken ones (`Good-bye`).
"""

from collections.abc import Sequence
from dataclasses import replace

import regex

from deployments.video.transcript.cues import TimedLine, TranscriptCue
from deployments.video.transcript.text import strip_markup

_LETTERS = regex.compile(r"[^\p{L}\p{N}]+")
_AHEAD = 6
_SLACK_S = 1.0


def align(cues: Sequence[TranscriptCue], words: Sequence[TimedLine]) -> list[TranscriptCue]:
    """`cues` with words whose texts are the cues' and whose times are those of `words`. A cue
    without any match is unchanged."""
    timed_words = sorted(
        (word for word in words if word.start is not None), key=lambda w: w.start or 0.0
    )
    spoken = [(_letters(word.text), word) for word in timed_words]
    result: list[TranscriptCue] = []
    position = 0
    for cue in sorted(cues, key=lambda cue: cue.start):
        while position < len(spoken) and (spoken[position][1].start or 0.0) < cue.start - _SLACK_S:
            position += 1
        matched: list[TimedLine] = []
        for text in strip_markup(cue.text).split():
            count, first = _match(spoken, position, _letters(text), cue.end)
            matched.append(_with_times(text, [word for _, word in spoken[first : first + count]]))
            position = first + count if count else position
        known = any(word.start is not None for word in matched)
        result.append(replace(cue, words=tuple(matched)) if known else cue)
    return result


def _match(
    spoken: Sequence[tuple[str, TimedLine]], start: int, letters: str, end: float
) -> tuple[int, int]:
    """The number of spoken words that make up `letters`, and the first of them; 0: no match."""
    for first in range(start, min(start + _AHEAD, len(spoken)) if letters else start):
        if (spoken[first][1].start or 0.0) > end + _SLACK_S:
            break
        joined = ""
        for count in range(1, min(_AHEAD, len(spoken) - first) + 1):
            joined += spoken[first + count - 1][0]
            if joined == letters:
                return count, first
            if not letters.startswith(joined):
                break
    return 0, start


def _with_times(text: str, words: Sequence[TimedLine]) -> TimedLine:
    return TimedLine(text, words[0].start, words[-1].end) if words else TimedLine(text)


def _letters(text: str) -> str:
    return str(_LETTERS.sub("", strip_markup(text))).casefold()
