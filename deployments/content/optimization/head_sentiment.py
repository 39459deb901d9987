"""Sentiment for the optimisation: the lexicon while edits are tried, the shipped head in the end.

In: texts, vectors of their sentences. Out: ratings from -1 to 1. English only. By sentences, as a
text and its edited versions have most of them in common: each is embedded once.
"""

from collections.abc import Sequence

from deployments.text.heads import load_head
from deployments.text.lexicon import FEATURES, lexicon_features
from deployments.text.operation import Vectors
from deployments.text.passages import passages_of
from deployments.text.segments import find_sentences
from deployments.text.sentiment import judge_passages

_COMPOUND = FEATURES.index("compound")


class HeadSentiment:
    """Implements PassageSentiment."""

    @property
    def by(self) -> str:
        return load_head("sentiment").by

    def by_words(self, text: str) -> float:
        return float(lexicon_features(text)[_COMPOUND])

    def passages(self, text: str) -> Sequence[str]:
        places = find_sentences(text)
        return [part for start, end in places for part in passages_of(text[start:end])]

    def by_vectors(self, passages: Sequence[str], vectors: Vectors) -> float:
        _, rating = judge_passages(passages, vectors)
        return rating
