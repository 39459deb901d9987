"""Extractive summaries: the sentences of a text that stand for the whole.

Flows in: a text, and vectors of its sentences. Flows out: some of the sentences, word for word, in
their order; so nothing is said that the text does not say. Without an embedding model, or in a
language that it does not know, words take the place of vectors.
"""

from collections import Counter
from collections.abc import Sequence
from math import log

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import TextPart
from deployments.text.segments import Place, find_sentences, find_words

MAX_SENTENCES = 200  # of a text that are compared; of a longer one, the first
MAX_SUMMARY = 20  # sentences
_SHORTEST = 3  # words; a shorter sentence says little
_DAMPING = 0.85
_STEPS = 50
_DIVERSITY = 0.5  # how much likeness to chosen sentences counts against another


def sentences_of_text(text: str) -> list[Place]:
    """Those that a summary is chosen from: with three words or more, each once; all where no
    sentence has as many."""
    sentences = find_sentences(text)[: 4 * MAX_SENTENCES]
    unique: dict[str, Place] = {}
    for start, end in sentences:
        sentence = text[start:end].casefold()
        words = [sentence[first:last] for first, last in find_words(sentence)]
        if len(words) >= _SHORTEST:
            unique.setdefault(" ".join(words), (start, end))
    return (list(unique.values()) or sentences)[:MAX_SENTENCES]


def summarize_by_vectors(
    text: str, places: Sequence[Place], vectors: Vectors, count: int
) -> list[TextPart]:
    """`count` sentences (or all) of `places`, whose vectors are the rows of `vectors`. The score
    is a sentence's centrality beside that of the most central."""
    centrality = central_scores(vectors)
    chosen = choose_sentences(centrality, vectors, count)
    top = float(centrality.max()) if len(places) else 1.0
    return [
        TextPart(
            *places[at],
            text[places[at][0] : places[at][1]],
            "sentence",
            round(float(centrality[at]) / top, 3),
        )
        for at in chosen
    ]


def central_scores(vectors: Vectors) -> Vectors:
    """How much each sentence is like the others: the stationary distribution of a walk between
    them, by power iteration (LexRank, Erkan and Radev 2004)."""
    count = len(vectors)
    likeness = np.clip(vectors @ vectors.T, 0, None)
    np.fill_diagonal(likeness, 0)
    sums = likeness.sum(axis=1, keepdims=True)
    steps = np.where(sums > 0, likeness / np.maximum(sums, 1e-9), 1 / max(1, count))
    scores = np.full(count, 1 / max(1, count), dtype=np.float32)
    for _ in range(_STEPS):
        scores = (1 - _DAMPING) / max(1, count) + _DAMPING * (scores @ steps)
    found: Vectors = scores.astype(np.float32)
    return found


def choose_sentences(centrality: Vectors, vectors: Vectors, count: int) -> list[int]:
    """The most central ones that repeat each other least (maximal marginal relevance), in the
    text's order."""
    if len(centrality) <= count:
        return list(range(len(centrality)))
    gain = centrality / float(centrality.max())
    repeated = np.zeros(len(centrality), dtype=np.float32)
    chosen: list[int] = []
    while len(chosen) < count:
        marginal = gain - _DIVERSITY * repeated
        marginal[chosen] = -np.inf
        chosen.append(int(np.argmax(marginal)))
        repeated = np.maximum(repeated, vectors @ vectors[chosen[-1]])
    return sorted(chosen)


def word_vectors(sentences: Sequence[str]) -> Vectors:
    """A row for each sentence, one column a word: how often it is there times how rare it is
    elsewhere (tf-idf), of length 1."""
    counts = [
        Counter(sentence[start:end].casefold() for start, end in find_words(sentence))
        for sentence in sentences
    ]
    spread = Counter(word for count in counts for word in count)
    columns = {word: column for column, word in enumerate(spread)}
    rows = np.zeros((len(sentences), max(1, len(columns))), dtype=np.float32)
    for row, count in enumerate(counts):
        for word, times in count.items():
            rows[row, columns[word]] = times * log(1 + len(sentences) / spread[word])
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    vectors: Vectors = rows / np.maximum(lengths, 1e-9)
    return vectors
