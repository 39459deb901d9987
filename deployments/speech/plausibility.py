"""Which recognised segments were said: a segment in, the plausible part of it or nothing out.

Whisper invents text for silence, noise and music: phrases of its training data, sounds in brackets,
and the same words over and over.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from deployments.contracts.speech import SpeechSegment, SpeechWord

NO_SPEECH = 0.6
LOW_LOG_PROBABILITY = -1.0
VERY_LOW_LOG_PROBABILITY = -1.6
REPETITIVE = 2.4  # compression ratio
MAX_REPEATS = 3  # of the same words in a row
_LONGEST_LOOP = 12  # words
_SOUND = re.compile(r"\s*[\[(*♪][^\])]{0,80}[\])*♪]?[\s.!♪]*")
_FASTEST = 45.0  # characters a second


def plausible(segment: SpeechSegment) -> SpeechSegment | None:
    """`segment`, cut where it begins to repeat itself; None if it was not said."""
    text = segment.text.strip()
    if not any(character.isalnum() for character in text) or _SOUND.fullmatch(text):
        return None
    quiet = segment.no_speech_probability > NO_SPEECH
    if quiet and segment.average_log_probability < LOW_LOG_PROBABILITY:
        return None
    if segment.average_log_probability < VERY_LOW_LOG_PROBABILITY:
        return None
    if len(text) > _FASTEST * (segment.end - segment.start) + 20:
        return None
    cut = without_loop(segment)
    if segment.compression_ratio > REPETITIVE and cut is segment:
        return None if segment.average_log_probability < LOW_LOG_PROBABILITY else segment
    return cut


def without_loop(segment: SpeechSegment) -> SpeechSegment:
    """Without what follows MAX_REPEATS of the same words in a row."""
    texts = [word.text for word in segment.words] or segment.text.split()
    length = _before_loop([re.sub(r"\W", "", text).casefold() for text in texts])
    if length == len(texts):
        return segment
    if not segment.words:
        return replace(segment, text=" ".join(texts[:length]))
    words = segment.words[:length]
    return replace(
        segment, words=words, end=words[-1].end, text="".join(word.text for word in words)
    )


def _before_loop(words: Sequence[str]) -> int:
    """How many words come before the repeats of a loop, its first round included."""
    for start in range(len(words)):
        for size in range(1, min(_LONGEST_LOOP, (len(words) - start) // (MAX_REPEATS + 1)) + 1):
            one = words[start : start + size]
            rounds = 1
            while words[start + rounds * size : start + (rounds + 1) * size] == one:
                rounds += 1
            if rounds > MAX_REPEATS and any(one):
                return start + size
    return len(words)


def in_order(segment: SpeechSegment, after: float) -> SpeechSegment | None:
    """With times that do not fall, from second `after` on: none of its words ends after the next
    one begins. None: it lies before."""
    if segment.end <= after:
        return None
    words: list[SpeechWord] = []
    begins = after
    for word in segment.words:
        start = max(word.start, begins)
        if words and words[-1].end > start:
            words[-1] = replace(words[-1], end=start)
        words.append(replace(word, start=start, end=max(word.end, start)))
        begins = start
    start = max(segment.start, after)
    end = max(segment.end, start)
    return replace(segment, start=start, end=end, words=tuple(words))
