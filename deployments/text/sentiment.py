"""Sentiment: how positive or negative an English text is.

Flows in: a text and the vectors of its passages. Flows out: a label, a score from -1 to 1, and the
words that speak for it. A linear head over a passage's vector and VADER's four numbers judges; it
is trained on human ratings (deployments/text/heads/README.md). A long text has the mean of its
passages.
"""

from collections.abc import Sequence

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult, TextPart
from deployments.text.heads import load_head
from deployments.text.lexicon import STRONGEST, lexicon_features, rated_words
from deployments.text.linear_head import LinearHead
from deployments.text.operation import AnalyzedText, Options
from deployments.text.options import check_names
from deployments.text.passages import shares_of
from deployments.text.probe import PROBE
from deployments.text.segments import Place

LABELS = ("negative", "neutral", "positive")
MAX_SPANS = 200
MAX_REASONS = 3
_HEAD = "sentiment"


class SentimentScorer:
    """The operation `sentiment`. Value: `label`, `score` from -1 to 1, `probabilities` by label."""

    name = "sentiment"
    languages = frozenset(("en",))
    needs_vectors = True

    @property
    def by(self) -> str:
        return load_head(_HEAD).by

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        check_names(options, self.name, frozenset())
        passages = text.passages
        return [*passages, PROBE] if passages else ()

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        passages = text.passages
        if vectors is None or not passages:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        refused = load_head(_HEAD).refuse(vectors[-1])
        if refused is not None:
            return refused
        probabilities, score = judge_passages(passages, vectors[:-1])
        best = int(np.argmax(probabilities))
        value = {
            "label": LABELS[best],
            "score": round(score, 3),
            "probabilities": {
                label: round(float(share), 3)
                for label, share in zip(LABELS, probabilities, strict=True)
            },
        }
        spans = _rated_spans(text.text, text.passage_places)
        confidence = round(float(probabilities[best]), 3)
        return OperationResult(self.by, value, _reasons(spans), spans[:MAX_SPANS], confidence)


def judge_passages(passages: Sequence[str], vectors: Vectors) -> tuple[Vectors, float]:
    """The probabilities of LABELS, and the score from -1 to 1; both by the passages' lengths."""
    head = load_head(_HEAD)
    rows = features_of(passages, vectors)
    shares = shares_of(passages)
    labels = LinearHead(head.labels, head.arrays["weights"]).probabilities(rows)
    ratings = rows @ head.arrays["rating"][:-1] + head.arrays["rating"][-1]
    score = float(np.clip(ratings / STRONGEST, -1, 1) @ shares)
    probabilities: Vectors = shares @ labels
    return probabilities, score


def features_of(passages: Sequence[str], vectors: Vectors) -> Vectors:
    """What the head reads: each passage's vector, and what the lexicon says of it."""
    lexical = np.stack([lexicon_features(passage) for passage in passages])
    features: Vectors = np.concatenate([vectors, lexical], axis=1)
    return features


def _rated_spans(text: str, passages: Sequence[Place]) -> tuple[TextPart, ...]:
    """The words of the lexicon, in order; their score is how strong they are, from 0 to 1."""
    spans = []
    for start, end in passages:
        for (first, last), valence in rated_words(text[start:end]):
            kind = "positive" if valence > 0 else "negative"
            strength = round(min(1.0, abs(valence) / STRONGEST), 3)
            found = text[start + first : start + last]
            spans.append(TextPart(start + first, start + last, found, kind, strength))
    return tuple(spans)


def _reasons(spans: Sequence[TextPart]) -> tuple[str, ...]:
    """The strongest words, each once."""
    strongest: dict[tuple[str, str], float] = {}
    for span in spans:
        key = span.text.casefold(), span.kind
        strongest[key] = max(strongest.get(key, 0.0), span.score or 0.0)
    if not strongest:
        return ("No word of the lexicon is there; the whole was judged by its meaning.",)
    ordered = sorted(strongest.items(), key=lambda item: -item[1])[:MAX_REASONS]
    return tuple(f"'{word[:40]}' is {kind} ({share:.2f})." for (word, kind), share in ordered)
