"""The registry of text analysis: every operation by its name.

Flows in: names from a caller. Flows out: operations. To add one, write a class as in operation.py
and add it to `_operations`.
"""

from collections.abc import Iterable
from functools import cache

from cluster.runtime.problems import InvalidRequest
from deployments.text.entities import EntityFinder
from deployments.text.hashtags import HashtagFinder
from deployments.text.languages import LanguageDetection
from deployments.text.operation import TextOperation
from deployments.text.personal_data import PersonalDataFinder
from deployments.text.readability import Readability
from deployments.text.statistics import TextStatistics

_MAX_QUOTED = 40


@cache
def text_operations() -> dict[str, TextOperation]:
    """Operations by name, in the order in which they are documented."""
    return {operation.name: operation for operation in _operations()}


def _operations() -> Iterable[TextOperation]:
    yield TextStatistics()
    yield LanguageDetection()
    yield Readability()
    yield EntityFinder()
    yield PersonalDataFinder()
    yield HashtagFinder()


def find_operations(names: Iterable[str]) -> list[TextOperation]:
    """The operations of these names, each once. Raises InvalidRequest, which lists the known."""
    known = text_operations()
    found: dict[str, TextOperation] = {}
    for name in names:
        if name not in known:
            raise InvalidRequest(
                f"'{name[:_MAX_QUOTED]}' is not an operation; there are {', '.join(known)}.",
                param="operations",
                known=list(known),
            )
        found[name] = known[name]
    return list(found.values())


def versions(names: Iterable[str]) -> tuple[str, ...]:
    """`name@version` of each, for cache keys. Raises InvalidRequest."""
    return tuple(operation.by for operation in find_operations(names))
