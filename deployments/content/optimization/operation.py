"""Optimisation as an operation of text analysis: the Text deployment runs it, beside its own.

Flows in: a draft, the options of a task, the vectors of the candidates' passages. Flows out: an
OperationResult. It is not among the operations that a caller of analysis may name: only
`optimize_post` does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deployments.content.optimization.candidates import Candidates, find_candidates
from deployments.content.optimization.goals import GoalScore, Scores, SentimentOf, sentiment_score
from deployments.content.optimization.outcome import OPTIMIZER, outcome
from deployments.content.optimization.task import OPTIMIZE, OptimizationTask, task_of
from deployments.contracts.text_analysis import OperationResult
from deployments.text.operation import AnalyzedText, Options, Vectors


class PassageSentiment(Protocol):
    """Judges sentiment: at once by words, or exactly by the vectors of passages. `by` is
    `name@version`."""

    @property
    def by(self) -> str: ...

    def by_words(self, text: str) -> float:
        """From -1 to 1."""
        ...

    def passages(self, text: str) -> Sequence[str]:
        """What `by_vectors` wants the vectors of."""
        ...

    def by_vectors(self, passages: Sequence[str], vectors: Vectors) -> float:
        """From -1 to 1."""
        ...


class PostOptimization:
    """Implements TextOperation. `sentiment` None: no text is judged by it."""

    name = OPTIMIZE
    languages: frozenset[str] = frozenset()
    needs_vectors = False

    def __init__(self, sentiment: PassageSentiment | None) -> None:
        self._sentiment = sentiment

    @property
    def by(self) -> str:
        """With who judges sentiment: it is part of the keys of cached results."""
        return OPTIMIZER if self._sentiment is None else f"{OPTIMIZER}+{self._sentiment.by}"

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        task = task_of(text.text, text.language, options)
        if not self._wants_vectors(task):
            return ()
        return [passage for found in self._passages(task) for passage in found]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        task = task_of(text.text, text.language, options)
        candidates = self._candidates(task)
        if vectors is None:
            value = outcome(task, candidates, candidates.judge.judge, lambda _: None)
        else:
            ratings = self._ratings(task, candidates, vectors)
            value = outcome(task, candidates, ratings.rate, ratings.meaning)
        return OperationResult(self.by, value)

    def _candidates(self, task: OptimizationTask) -> Candidates:
        by_words: SentimentOf | None = None if self._sentiment is None else self._sentiment.by_words
        return find_candidates(task, by_words)

    def _wants_vectors(self, task: OptimizationTask) -> bool:
        """For the sentiment of what is offered, or to see whether rewrites say the same."""
        is_judged = "sentiment" in task.goals and task.language == "en"
        return self._sentiment is not None and (is_judged or bool(task.rewrites))

    def _passages(self, task: OptimizationTask) -> list[Sequence[str]]:
        """Of the draft, then of each candidate."""
        assert self._sentiment is not None
        texts = [task.text, *(found.text for found in self._candidates(task).texts)]
        return [self._sentiment.passages(text) for text in texts]

    def _ratings(
        self, task: OptimizationTask, candidates: Candidates, vectors: Vectors
    ) -> "_VectorRatings":
        assert self._sentiment is not None
        texts = [task.text, *(found.text for found in candidates.texts)]
        parts, start = {}, 0
        for text, passages in zip(texts, self._passages(task), strict=True):
            parts[text] = _Passages(passages, vectors[start : start + len(passages)])
            start += len(passages)
        return _VectorRatings(candidates.judge.judge, self._sentiment, parts, task)


@dataclass(frozen=True, slots=True)
class _Passages:
    """Of one text."""

    strings: Sequence[str]
    vectors: Vectors

    @property
    def mean(self) -> Vectors:
        """By the passages' lengths, of length 1."""
        mean: Vectors = np.array([len(string) for string in self.strings]) @ self.vectors
        return mean / max(float(np.linalg.norm(mean)), 1e-12)


@dataclass(frozen=True, slots=True)
class _VectorRatings:
    """Scores and meaning of texts whose vectors are known."""

    judge: Callable[[str], Scores]
    sentiment: PassageSentiment
    parts: dict[str, _Passages]
    task: OptimizationTask

    def rate(self, text: str) -> Scores:
        """By words, but sentiment by vectors."""
        scores, part = dict(self.judge(text)), self.parts[text]
        known = scores.get("sentiment", GoalScore(None, ""))
        if known.value is not None and part.strings:
            scores["sentiment"] = sentiment_score(
                self.sentiment.by_vectors(part.strings, part.vectors)
            )
        return scores

    def meaning(self, text: str) -> float | None:
        """The cosine of the text and the draft."""
        one, other = self.parts[self.task.text], self.parts[text]
        return float(one.mean @ other.mean) if one.strings and other.strings else None
