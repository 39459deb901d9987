"""What a caller says of a classification: labels, descriptions, examples, or a trained head.

Flows in: options as JSON; the ingress puts a tenant's trained head there in place of its
classifier's name. Flows out: checked values, or InvalidRequest naming the field.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cluster.classifiers.model import pack_head, unpack_head
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.embedding import Vectors
from deployments.text.linear_head import LinearHead
from deployments.text.options import check_names
from deployments.text.passages import MAX_PASSAGE
from deployments.text.probe import PROBE

MIN_LABELS, MAX_LABELS = 2, 32
MIN_EXAMPLES, MAX_EXAMPLES = 5, 100  # of a label
MAX_ALL_EXAMPLES = 1_000
MAX_LABEL, MAX_DESCRIPTION, MAX_EXAMPLE = 64, 300, 2_000  # characters
HEAD, BY = "head", "by"  # options that the ingress adds; no caller may send them
_NAMES = frozenset(("labels", "examples", HEAD, BY))
_AT = "options.classification"


@dataclass(frozen=True)
class ClassifierOptions:
    """Of `examples` and `head` one has something, or none: then `descriptions` count, one for each
    of `labels`. `probe` is the vector of PROBE when the head was trained."""

    labels: tuple[str, ...]
    descriptions: tuple[str, ...] = ()
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head: LinearHead | None = None
    probe: Vectors | None = None
    by: str = ""

    def strings(self) -> list[str]:
        """What is embedded beside the text. Of a long example, its beginning."""
        if self.head is not None:
            return [PROBE]
        if not self.examples:
            return list(self.descriptions)
        return [text[:MAX_PASSAGE] for label in self.labels for text in self.examples[label]]

    def targets(self) -> list[int]:
        """The place of the label of each example, in the order of `strings`."""
        return [at for at, label in enumerate(self.labels) for _ in self.examples[label]]


def read_classifier_options(options: Mapping[str, Any]) -> ClassifierOptions:
    """Raises InvalidRequest."""
    check_names(options, "classification", _NAMES)
    if HEAD in options:
        head, probe = unpacked(options[HEAD])
        return ClassifierOptions(head.labels, head=head, probe=probe, by=options[BY])
    if "examples" in options:
        examples = check_examples(options["examples"], f"{_AT}.examples")
        return ClassifierOptions(tuple(examples), examples=examples)
    if "labels" not in options:
        raise InvalidRequest(f"{_AT}: needs labels, examples or a classifier.", param=_AT)
    labels, descriptions = _labels(options["labels"], f"{_AT}.labels")
    return ClassifierOptions(labels, descriptions)


def check_examples(given: Any, param: str) -> dict[str, tuple[str, ...]]:
    """Examples by label. Raises InvalidRequest naming `param`."""
    if not isinstance(given, Mapping):
        raise _invalid(param, "must be an object of labels with lists of texts")
    _check_labels(list(given), param)
    examples: dict[str, tuple[str, ...]] = {}
    for label, texts in given.items():
        at = f"{param}.{label[:MAX_LABEL]}"
        if not isinstance(texts, Sequence) or isinstance(texts, str):
            raise _invalid(at, "must be a list of texts")
        if not MIN_EXAMPLES <= len(texts) <= MAX_EXAMPLES:
            raise _invalid(at, f"needs {MIN_EXAMPLES} to {MAX_EXAMPLES} examples")
        examples[label] = tuple(_texts(texts, MAX_EXAMPLE, at))
        if len(set(examples[label])) < MIN_EXAMPLES:
            raise _invalid(at, f"needs {MIN_EXAMPLES} different examples")
    if sum(map(len, examples.values())) > MAX_ALL_EXAMPLES:
        raise _invalid(param, f"has over {MAX_ALL_EXAMPLES} examples together")
    return examples


def packed(head: LinearHead, probe: Vectors) -> str:
    """Labels, weights and the vector of PROBE, the numbers in little-endian float32; in base64."""
    numbers = np.concatenate([head.weights.ravel(), probe]).astype("<f4")
    return base64.b64encode(pack_head(head.labels, numbers.tobytes())).decode()


def unpacked(content: str) -> tuple[LinearHead, Vectors]:
    """Raises ValueError for a text that is no head."""
    labels, weights = unpack_head(base64.b64decode(content, validate=True))
    numbers = np.frombuffer(weights, dtype="<f4").astype(np.float32)
    dimensions = (len(numbers) - len(labels)) // (len(labels) + 1)
    head = LinearHead(labels, numbers[:-dimensions].reshape(len(labels), dimensions + 1))
    return head, numbers[-dimensions:]


def _labels(given: Any, param: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names, and the description of each: its own name where none is given."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise _invalid(param, "must be a list of labels")
    names: list[Any] = []
    descriptions: list[Any] = []
    for each in given:
        is_described = isinstance(each, Mapping)
        if is_described and not each.keys() <= {"name", "description"}:
            raise _invalid(param, "a label has a name and a description")
        names.append(each.get("name") if is_described else each)
        descriptions.append((each.get("description") if is_described else None) or names[-1])
    _check_labels(names, param)
    return tuple(names), tuple(_texts(descriptions, MAX_DESCRIPTION, param))


def _check_labels(names: Sequence[Any], param: str) -> None:
    if not MIN_LABELS <= len(names) <= MAX_LABELS:
        raise _invalid(param, f"needs {MIN_LABELS} to {MAX_LABELS} labels")
    for name in _texts(names, MAX_LABEL, param):
        if "\0" in name:
            raise _invalid(param, "a label must not have a NUL character")
    if len(set(names)) < len(names):
        raise _invalid(param, "labels must differ")


def _texts(given: Iterable[Any], most: int, param: str) -> list[str]:
    texts = []
    for text in given:
        if not isinstance(text, str) or not text.strip() or len(text) > most:
            raise _invalid(param, f"texts must have 1 to {most} characters that are not blank")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _invalid(param, "a text must not have lone surrogates")
        texts.append(text)
    return texts


def _invalid(param: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{param}: {problem}.", param=param)
