"""The operation `language`: which language a text is in.

Flows in: a text. Flows out: an ISO 639 code with its probability. The model is fastText's
lid.176 (language.py).
"""

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult
from deployments.text.language import MAX_CHARS, letters_of
from deployments.text.operation import CERTAIN, AnalyzedText, Options, PlainOperation

_FEW_LETTERS = 12


class LanguageDetection(PlainOperation):
    """Value: `code` and `is_certain`, by which other operations decide whether they take the text.
    A language that the caller named is not asked for."""

    name = "language"
    by = "lid.176@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        found = text.detected
        if found is None:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        reasons = []
        letters = letters_of(text.text)
        if letters < _FEW_LETTERS:
            reasons.append(f"There are only {letters} letters.")
        if len(text.text) > MAX_CHARS:
            reasons.append(f"The first {MAX_CHARS} characters were read.")
        value = {"code": found.code, "is_certain": found.score >= CERTAIN}
        return OperationResult(self.by, value, tuple(reasons), confidence=round(found.score, 4))
