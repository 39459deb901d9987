"""Keywords: the phrases of a text that say what it is about.

Flows in: an English text, and vectors of its passages and of its candidate phrases. Flows out:
phrases with all their places. A candidate is one to three words of one clause, without stop words
at its ends; the closest to the text's own vector are taken, and none that repeats another (the idea
is KeyBERT's, Grootendorst 2020). Passages and candidates are embedded as texts of their own: beside
a passage a batch would pad each candidate to the passage's length.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult, TextPart
from deployments.text.operation import AnalyzedText, Options
from deployments.text.options import read_count
from deployments.text.passages import joint_vector
from deployments.text.segments import Place
from deployments.text.stop_words import STOP_WORDS, WEAK_WORDS

MAX_CANDIDATES = 120  # of one text that are embedded: the most frequent, then the first
MAX_KEYWORDS, DEFAULT_KEYWORDS = 20, 5
MAX_SPANS = 200  # of all keywords of a text
_MAX_WORDS = 3
_MAX_WORD = 40  # characters; a longer one is no word
_DIVERSITY = 0.25  # how much likeness to chosen keywords counts against a candidate
_WEAK_EDGE = 0.15  # what a weak word at an end ("new ...") counts against it
_WHOLENESS = 0.03  # what each further word counts for it: a part is no better than the whole


@dataclass(frozen=True, slots=True)
class KeywordCandidate:
    """A phrase, folded for comparison, and where it stands in the text."""

    words: tuple[str, ...]
    places: tuple[Place, ...]

    @property
    def phrase(self) -> str:
        return " ".join(self.words)


class KeywordFinder:
    """The operation `keywords`; option `count` (1 to 20, default 5)."""

    name = "keywords"
    by = "keywords@1"
    languages = frozenset({"en"})
    needs_vectors = True

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        read_count(options, "keywords", DEFAULT_KEYWORDS, MAX_KEYWORDS)
        candidates = find_candidates(text)
        if not candidates:
            return ()
        return [*text.passages, *(each.phrase for each in candidates)]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        count = read_count(options, "keywords", DEFAULT_KEYWORDS, MAX_KEYWORDS)
        candidates = find_candidates(text)
        if vectors is None or not candidates:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        passages = text.passages
        whole = joint_vector(passages, vectors[: len(passages)])
        chosen = choose_candidates(whole, vectors[len(passages) :], candidates, count)
        value = [
            {"text": _as_written(text.text, candidate), "score": round(score, 4)}
            for candidate, score in chosen
        ]
        return OperationResult(self.by, value, spans=_spans(text.text, chosen))


def find_candidates(analyzed: AnalyzedText) -> list[KeywordCandidate]:
    """In the order of their first places; at most MAX_CANDIDATES."""
    text = analyzed.text
    found: dict[tuple[str, ...], list[Place]] = {}
    for run in _runs(text, analyzed.word_places):
        words = [text[start:end].casefold().replace("’", "'") for start, end in run]
        for first, size in _windows(len(run)):
            last = first + size - 1
            phrase = tuple(words[first : last + 1])
            if _is_candidate(phrase):
                found.setdefault(phrase, []).append((run[first][0], run[last][1]))
    candidates = [KeywordCandidate(words, tuple(places)) for words, places in found.items()]
    if len(candidates) <= MAX_CANDIDATES:
        return candidates
    order = sorted(range(len(candidates)), key=lambda at: (-len(candidates[at].places), at))
    return [candidates[at] for at in sorted(order[:MAX_CANDIDATES])]


def choose_candidates(
    whole: Vectors, vectors: Vectors, candidates: Sequence[KeywordCandidate], count: int
) -> list[tuple[KeywordCandidate, float]]:
    """Up to `count` candidates with their likeness to the text, best first (maximal marginal
    relevance, Carbonell and Goldstein 1998). One whose words are all in another that was chosen, or
    the other way round, is left out.
    """
    relevance = vectors @ whole
    merit = relevance + np.array([_form(each.words) for each in candidates], dtype=np.float32)
    repeated = np.zeros(len(candidates), dtype=np.float32)
    is_open = np.ones(len(candidates), dtype=bool)
    chosen: list[tuple[KeywordCandidate, float]] = []
    while len(chosen) < count and is_open.any():
        gain = np.where(is_open, merit - _DIVERSITY * repeated, -np.inf)
        best = int(np.argmax(gain))
        chosen.append((candidates[best], float(relevance[best])))
        words = set(candidates[best].words)
        for at, candidate in enumerate(candidates):
            if words.issuperset(candidate.words) or words.issubset(candidate.words):
                is_open[at] = False
        repeated = np.maximum(repeated, vectors @ vectors[best])
    return chosen


def _runs(text: str, places: Iterable[Place]) -> Iterable[list[Place]]:
    """Words that follow each other with a blank between them only."""
    run: list[Place] = []
    for start, end in places:
        if run and text[run[-1][1] : start] not in (" ", "\u00a0"):
            yield run
            run = []
        run.append((start, end))
    if run:
        yield run


def _windows(length: int) -> Iterable[tuple[int, int]]:
    """The first word and the number of words of each candidate in a run."""
    for first in range(length):
        for size in range(1, min(_MAX_WORDS, length - first) + 1):
            yield first, size


def _is_candidate(words: tuple[str, ...]) -> bool:
    if words[0] in STOP_WORDS or words[-1] in STOP_WORDS:
        return False
    if any(len(word) > _MAX_WORD for word in words):
        return False
    if len(words) == 1:
        return len(words[0]) > 2 and not words[0].isnumeric() and words[0] not in WEAK_WORDS
    return all(word == "of" or word not in STOP_WORDS for word in words[1:-1]) and any(
        len(word) > 2 and not word.isnumeric() for word in words
    )


def _form(words: tuple[str, ...]) -> float:
    """What a phrase's words count for and against it."""
    is_weak = words[0] in WEAK_WORDS or words[-1] in WEAK_WORDS
    return _WHOLENESS * (len(words) - 1) - _WEAK_EDGE * is_weak


def _as_written(text: str, candidate: KeywordCandidate) -> str:
    start, end = candidate.places[0]
    return text[start:end]


def _spans(text: str, chosen: Sequence[tuple[KeywordCandidate, float]]) -> tuple[TextPart, ...]:
    spans = [
        TextPart(start, end, text[start:end], "keyword", round(score, 4))
        for candidate, score in chosen
        for start, end in candidate.places
    ]
    return tuple(sorted(spans, key=lambda span: (span.start, span.end))[:MAX_SPANS])
