"""Optimisation as an operation of text analysis: the Text deployment runs it, beside its own.

Flows in: a draft, the options of a task; where models wrote, the vectors of passages. Flows out: an
OperationResult. It is not among the operations that a caller of analysis may name: only
`optimize_post` does.
"""

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from deployments.content.optimization.candidates import EditCandidates, find_candidates
from deployments.content.optimization.goals import SentimentOf
from deployments.content.optimization.outcome import OPTIMIZER, outcome
from deployments.content.optimization.task import OPTIMIZE, OptimizationTask, task_of
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult
from deployments.text.lexicon import FEATURES, lexicon_features
from deployments.text.operation import AnalyzedText, Options
from deployments.text.passages import joint_vector, passages_of

_COMPOUND = FEATURES.index("compound")


def lexicon_sentiment(text: str) -> float:
    """VADER's compound score, from -1 to 1. Takes 0.15 ms for 100 characters: it can be asked of
    every edit that is tried, where a vector of each would take fifty times as long."""
    return float(lexicon_features(text)[_COMPOUND])


class PostOptimization:
    """Implements TextOperation. `sentiment` rates English texts (None: nothing can)."""

    name = OPTIMIZE
    by = OPTIMIZER
    languages: frozenset[str] = frozenset()
    needs_vectors = False

    def __init__(self, sentiment: SentimentOf | None = lexicon_sentiment) -> None:
        self._sentiment = sentiment

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        """Of the draft and of each rewrite, to see whether they say the same."""
        task = task_of(text.text, text.language, options)
        texts = _compared_texts(task, find_candidates(task, self._sentiment))
        return [passage for each in texts for passage in passages_of(each)]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        task = task_of(text.text, text.language, options)
        candidates = find_candidates(task, self._sentiment)
        value = outcome(task, candidates, _meaning(task, candidates, vectors))
        return OperationResult(self.by, value)


def _compared_texts(task: OptimizationTask, candidates: EditCandidates) -> list[str]:
    """The draft, then rewrites; none where there is no rewrite."""
    rewrites = [found.text for found in candidates.texts if found.by == "model"]
    return [task.text, *rewrites] if rewrites else []


def _meaning(
    task: OptimizationTask, candidates: EditCandidates, vectors: Vectors | None
) -> Callable[[str], float | None]:
    """How close a text is to the draft, by the cosine of their vectors; None: not known."""
    if vectors is None:
        return lambda _: None
    rows, joint = iter(vectors), {}
    for text in _compared_texts(task, candidates):
        passages = passages_of(text)
        if passages:
            joint[text] = joint_vector(passages, np.stack(list(islice(rows, len(passages)))))
    draft = joint.get(task.text)

    def closeness(text: str) -> float | None:
        other = joint.get(text)
        return None if draft is None or other is None else float(draft @ other)

    return closeness
