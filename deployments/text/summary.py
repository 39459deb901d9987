"""What summaries, rewritings and translations take of analysis: the central sentences of a text,
and a check of what a model wrote.

Flows in: a text. Flows out: the chosen sentences as spans; or the parts of a model's answer that
its source does not have.
"""

from collections.abc import Sequence
from typing import Any

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult, TextPart
from deployments.text.extractive import (
    MAX_SUMMARY,
    sentences_of_text,
    summarize_by_vectors,
    word_vectors,
)
from deployments.text.grounding import find_ungrounded
from deployments.text.operation import AnalyzedText, Options, PlainOperation

SUMMARY, GROUNDING = "summary", "grounding"
_DEFAULT = 3


class TextSummary:
    """Value: the summary. Options: `sentences` (1 to MAX_SUMMARY), `max_characters`: sentences are
    left out, the least central first, until the rest fits; one always stays."""

    name = SUMMARY
    by = "extractive@1"
    languages: frozenset[str] = frozenset()
    needs_vectors = False  # words take their place

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        """None in a language that the embedding model does not know."""
        if text.language != "en":
            return ()
        return [text.text[start:end] for start, end in sentences_of_text(text.text)]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        places = sentences_of_text(text.text)
        if not places:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        if vectors is None or len(vectors) != len(places):
            vectors = word_vectors([text.text[start:end] for start, end in places])
        count = _whole(options.get("sentences", _DEFAULT), MAX_SUMMARY)
        most = options.get("max_characters")
        chosen = summarize_by_vectors(text.text, places, vectors, min(count, len(places)))
        if most is not None:
            chosen = _fit(chosen, most)
        summary = " ".join(part.text for part in chosen)
        reasons = (f"{len(chosen)} of {len(places)} sentences, word for word.",)
        return OperationResult(self.by, summary, reasons, tuple(chosen))


class GroundingCheck(PlainOperation):
    """The text is a model's answer, option `source` what it was made from. Value: whether the
    source has all that the answer names. The spans are what it does not have. Option `kinds`: which
    kinds are checked (all)."""

    name = GROUNDING
    by = "grounding@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        kinds = options.get("kinds")
        found = tuple(
            part
            for part in find_ungrounded(text.text, options["source"])
            if kinds is None or part.kind in kinds
        )
        return OperationResult(self.by, not found, spans=found)


def _fit(chosen: list[TextPart], most: int) -> list[TextPart]:
    while len(chosen) > 1 and sum(len(part.text) + 1 for part in chosen) - 1 > most:
        chosen.remove(min(chosen, key=lambda part: part.score or 0.0))
    return chosen


def _whole(value: Any, most: int) -> int:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise InvalidRequest(f"'sentences' is from 1 to {most}.", param="sentences", limit=most)
    return value
