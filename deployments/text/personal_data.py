"""The operation `pii`: personal data that can be told by its form (pii.py).

Flows in: a text, and the kinds to look for. Flows out: spans. Names of persons are found by
`entities`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult, TextPart
from deployments.text.operation import AnalyzedText, Options, PlainOperation
from deployments.text.pii import find_pii
from deployments.text.pii_kinds import KINDS


class PersonalDataFinder(PlainOperation):
    """Value: the number of spans by kind. Option `kinds`: which to look for (all)."""

    name = "pii"
    by = "pii@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        found = find_pii(text.text, _kinds(options.get("kinds", KINDS)))
        spans = tuple(
            TextPart(each.start, each.end, text.text[each.start : each.end], each.kind, each.score)
            for each in found
        )
        counts = Counter(span.kind for span in spans)
        return OperationResult(self.by, dict(counts), spans=spans)


def _kinds(kinds: Any) -> Sequence[str]:
    if isinstance(kinds, str) or not all(isinstance(kind, str) for kind in kinds):
        raise InvalidRequest("'kinds' is a list of names.", param="options.pii.kinds")
    return tuple(kinds)
