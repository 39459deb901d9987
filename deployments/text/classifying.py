"""Classification by a caller's own labels: by their descriptions, or by examples.

Flows in: a text, and labels with descriptions or examples, or a head that was trained of such.
Flows out: a score for each label. Descriptions are compared with the text by cosine; of examples
(five or more a label) a linear head is trained, in about 10 ms.
"""

from collections.abc import Sequence

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import NO_WORDS, OperationResult, unsupported
from deployments.text.classifier_options import ClassifierOptions, read_classifier_options
from deployments.text.linear_head import LinearHead, softmax, train_linear_head
from deployments.text.operation import AnalyzedText, Options
from deployments.text.passages import joint_vector
from deployments.text.probe import is_same_model

PENALTY = 2e-3  # of the squared factors of a head trained on examples
OTHER_MODEL = "It was trained with another embedding model than the one that is configured."
TRAIN_AGAIN = "Train it again: PUT /api/v1/text/classifiers/{name}, with its examples."
_SHARPNESS = 15.0  # of cosines, when they become probabilities


class TextClassification:
    """The operation `classification`. Value: the best `label`, and `scores` of all, best first.
    Options: `labels` (names, or names with descriptions), `examples` by label instead, or a
    classifier of the tenant's, which the ingress replaces by its head."""

    name = "classification"
    by = "classification@1"
    languages = frozenset(("en",))
    needs_vectors = True

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        wanted = read_classifier_options(options)
        passages = text.passages
        return [*passages, *wanted.strings()] if passages else ()

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        wanted = read_classifier_options(options)
        passages = text.passages
        if vectors is None or not passages:
            return OperationResult(self.by, reasons=(NO_WORDS,))
        whole = joint_vector(passages, vectors[: len(passages)])
        beside = vectors[len(passages) :]
        if wanted.head is not None:
            return self._by_head(wanted, wanted.head, whole, beside[0])
        if wanted.examples:
            head = train_classifier(wanted.labels, wanted.targets(), beside)
            return self._by_head(wanted, head, whole, beside[0])
        return self._by_descriptions(wanted, whole, beside)

    def _by_head(
        self, wanted: ClassifierOptions, head: LinearHead, whole: Vectors, probe: Vectors
    ) -> OperationResult:
        by = wanted.by or self.by
        if wanted.probe is not None and not is_same_model(probe, wanted.probe):
            return unsupported(by, OTHER_MODEL, TRAIN_AGAIN)
        shares = head.probabilities(whole[None, :])[0]
        return _result(by, head.labels, shares, shares, "Judged by the examples of each label.")

    def _by_descriptions(
        self, wanted: ClassifierOptions, whole: Vectors, vectors: Vectors
    ) -> OperationResult:
        cosines = vectors @ whole
        order = np.argsort(-cosines)
        first, second = (wanted.labels[int(at)] for at in order[:2])
        reason = (
            f"Closest to '{first[:40]}' (cosine {cosines[order[0]]:.2f}), then '{second[:40]}' "
            f"({cosines[order[1]]:.2f})."
        )
        shares = softmax(_SHARPNESS * cosines)
        return _result(self.by, wanted.labels, cosines, shares, reason)


def train_classifier(labels: Sequence[str], targets: Sequence[int], vectors: Vectors) -> LinearHead:
    """`targets[i]` is the place in `labels` of the label of row i."""
    return train_linear_head(vectors, targets, labels, penalty=PENALTY)


def _result(
    by: str, labels: Sequence[str], scores: Vectors, shares: Vectors, reason: str
) -> OperationResult:
    order = [int(at) for at in np.argsort(-shares)]
    value = {
        "label": labels[order[0]],
        "scores": [{"label": labels[at], "score": round(float(scores[at]), 4)} for at in order],
    }
    return OperationResult(by, value, (reason,), confidence=round(float(shares[order[0]]), 3))
