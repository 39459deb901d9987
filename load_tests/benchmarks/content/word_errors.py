"""How far recognised words are from those that were said. In: words. Out: error rates, times."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from deployments.contracts.speech import SpeechWord
from load_tests.benchmarks.content.made_speech import SpokenSentence

_WORD = re.compile(r"[a-z']+")


def words_of(text: str) -> list[str]:
    """In lower case, without punctuation."""
    return _WORD.findall(text.lower())


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Substituted, missing and invented words, as a share of those said (Levenshtein)."""
    previous = list(range(len(heard) + 1))
    for row, word in enumerate(said, 1):
        current = [row]
        for column, other in enumerate(heard, 1):
            replaced = previous[column - 1] + (word != other)
            current.append(min(replaced, previous[column] + 1, current[-1] + 1))
        previous = current
    return previous[-1] / max(1, len(said))


def edge_errors(
    sentences: Sequence[SpokenSentence], heard: Sequence[SpeechWord]
) -> tuple[list[float], list[float]]:
    """By how many seconds the first words of sentences begin, and the last ones end, beside where
    the sentences do; of words that were recognised."""
    said = [word for sentence in sentences for word in words_of(sentence.text)]
    found = [(word, each) for each in heard for word in words_of(each.text)]
    matcher = SequenceMatcher(None, said, [word for word, _ in found], autojunk=False)
    match = {
        block.a + offset: found[block.b + offset][1]
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    }
    starts: list[float] = []
    ends: list[float] = []
    position = 0
    for sentence in sentences:
        size = len(words_of(sentence.text))
        if (first := match.get(position)) is not None:
            starts.append(abs(first.start - sentence.start))
        if (last := match.get(position + size - 1)) is not None:
            ends.append(abs(last.end - sentence.end))
        position += size
    return starts, ends
