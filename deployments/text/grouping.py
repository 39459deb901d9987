"""Groups of texts about the same, as an operation over many texts at once.

Flows in: joined texts, and in the options how many they are. Flows out: the groups, with names.
Only `group_texts` of the API uses it.
"""

from collections.abc import Sequence

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult
from deployments.text.joined_texts import split_texts
from deployments.text.operation import AnalyzedText, Options
from deployments.text.passages import MAX_PASSAGE
from deployments.text.segments import find_words
from deployments.text.topics import group_texts

GROUPING = "text_groups"


class TextGrouping:
    """Options: `texts`, their number, and `alike`, the mean cosine from which two groups are one.
    Value: groups, the largest first. Texts without words are in none."""

    name = GROUPING
    by = "text-groups@1"
    languages = frozenset(("en",))
    needs_vectors = True

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        """Of a long text, its beginning."""
        return [part.strip()[:MAX_PASSAGE] for _, part in _with_words(text, options)]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        parts = _with_words(text, options)
        if vectors is None or not parts:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        groups = group_texts([part for _, part in parts], vectors, options["alike"])
        value = [
            {
                "texts": [parts[member][0] for member in group.members],
                "words": list(group.words),
                "cohesion": group.cohesion,
            }
            for group in groups
        ]
        return OperationResult(self.by, value)


def _with_words(text: AnalyzedText, options: Options) -> list[tuple[int, str]]:
    """Texts that have words, and their places among all."""
    texts = split_texts(text.text, options["texts"], "texts")
    return [(place, part) for place, part in enumerate(texts) if find_words(part)]
