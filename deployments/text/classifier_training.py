"""Training of a classifier, as an operation of its own: examples in, a packed head out.

Flows in: the examples of all labels as one text, so that guardrails read them and their characters
are charged as any other's, and in the options how many there are of each label. Flows out: the
head. Only the routes of classifiers use it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult
from deployments.text.classifier_options import packed
from deployments.text.classifying import train_classifier
from deployments.text.joined_texts import join_texts, split_texts
from deployments.text.operation import AnalyzedText, Options
from deployments.text.passages import MAX_PASSAGE
from deployments.text.probe import PROBE

TRAINING = "classifier_training"


class ClassifierTraining:
    """Option: `labels`, each with the number of its examples. Value: the head in base64, as the
    option `head` of `classification` takes it."""

    name = TRAINING
    by = "classifier-training@1"
    languages: frozenset[str] = frozenset()
    needs_vectors = True

    def strings_to_embed(self, text: AnalyzedText, options: Options) -> Sequence[str]:
        """Of a long example, its beginning."""
        total = sum(count for _, count in options["labels"])
        examples = split_texts(text.text, total, "examples")
        return [*(example[:MAX_PASSAGE] for example in examples), PROBE]

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        assert vectors is not None, "there is a string to embed in any text"
        labels = [label for label, _ in options["labels"]]
        targets = np.repeat(np.arange(len(labels)), [count for _, count in options["labels"]])
        head = train_classifier(labels, targets.tolist(), vectors[:-1])
        return OperationResult(self.by, packed(head, vectors[-1]))


def training_text(examples: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, Any]]:
    """The text and the options for examples by label."""
    text = join_texts(example for texts in examples.values() for example in texts)
    return text, {"labels": [[label, len(texts)] for label, texts in examples.items()]}
