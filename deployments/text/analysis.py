"""The registry of text analysis: every operation by its name.

Flows in: names from a caller. Flows out: operations. To add one, write a class as in operation.py
and add it to `_operations`.
"""

from collections.abc import Iterable
from functools import cache

from cluster.runtime.problems import InvalidRequest
from deployments.text.classifier_training import ClassifierTraining
from deployments.text.classifying import TextClassification
from deployments.text.entities import EntityFinder
from deployments.text.grouping import TextGrouping
from deployments.text.hashtags import HashtagFinder
from deployments.text.keywords import KeywordFinder
from deployments.text.languages import LanguageDetection
from deployments.text.operation import TextOperation
from deployments.text.personal_data import PersonalDataFinder
from deployments.text.readability import Readability
from deployments.text.sentiment import SentimentScorer
from deployments.text.statistics import TextStatistics
from deployments.text.summary import GroundingCheck, TextSummary
from deployments.text.topics import TopicFinder

_MAX_QUOTED = 40
_NEED_OPTIONS = frozenset(("classification",))


@cache
def text_operations() -> dict[str, TextOperation]:
    """Those that callers may name, in the order in which they are documented."""
    return {operation.name: operation for operation in _operations()}


def default_operations() -> tuple[str, ...]:
    """Those that need no options."""
    return tuple(name for name in text_operations() if name not in _NEED_OPTIONS)


def register_operation(operation: TextOperation) -> None:
    """Adds one of a stage above this one, for other operations of the API: callers of analysis
    cannot name it. Registering it again changes nothing. Raises ValueError where the name is
    another's.
    """
    known = _all_operations()
    if type(known.setdefault(operation.name, operation)) is not type(operation):
        raise ValueError(f"operation {operation.name!r} is already registered")


@cache
def _all_operations() -> dict[str, TextOperation]:
    """With those that only other operations of the API use."""
    own: tuple[TextOperation, ...] = (
        TextSummary(),
        GroundingCheck(),
        ClassifierTraining(),
        TextGrouping(),
    )
    return text_operations() | {operation.name: operation for operation in own}


def _operations() -> Iterable[TextOperation]:
    yield TextStatistics()
    yield LanguageDetection()
    yield Readability()
    yield SentimentScorer()
    yield KeywordFinder()
    yield TopicFinder()
    yield TextClassification()
    yield EntityFinder()
    yield PersonalDataFinder()
    yield HashtagFinder()


def find_operations(names: Iterable[str]) -> list[TextOperation]:
    """The operations of these names, each once. Raises InvalidRequest, which lists the known."""
    known = _all_operations()
    found: dict[str, TextOperation] = {}
    for name in names:
        if name not in known:
            listed = list(text_operations())
            raise InvalidRequest(
                f"'{name[:_MAX_QUOTED]}' is not an operation; there are {', '.join(listed)}.",
                param="operations",
                known=listed,
            )
        found[name] = known[name]
    return list(found.values())
