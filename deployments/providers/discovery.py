"""What a provider offers, by its `/models`.

In: an answer of that route. Out: names, and what else it says of each. A list that cannot be read
changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from deployments.providers.spec import DiscoverySpec

MAX_MODELS = 1_000
MAX_NAME = 90
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")


class UnreadableList(Exception):
    """It is no list of models."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model of a provider's list; `context_length` in tokens and `created` in Unix seconds, where
    it says so."""

    name: str
    context_length: int | None = None
    created: int = 0


def parse_models(body: bytes, spec: DiscoverySpec) -> list[ListedModel]:
    """Those that the patterns select, sorted; names with characters that ids do not have are left
    out. Raises UnreadableList."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise UnreadableList from error
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list):
        raise UnreadableList
    found = {model.name: model for model in _models(data) if _is_selected(model.name, spec)}
    return [found[name] for name in sorted(found)][:MAX_MODELS]


def _models(data: list[Any]) -> Iterator[ListedModel]:
    for entry in data:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            continue
        name = entry["id"]
        if not 0 < len(name) <= MAX_NAME or not _ALLOWED.issuperset(name) or name.endswith("/"):
            continue
        length = _number(entry.get("max_model_len")) or _number(entry.get("context_length"))
        yield ListedModel(name, length or None, _number(entry.get("created")))


def _is_selected(name: str, spec: DiscoverySpec) -> bool:
    if any(fnmatchcase(name, pattern) for pattern in spec.exclude):
        return False
    return any(fnmatchcase(name, pattern) for pattern in spec.include)


def _number(value: Any) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value < 10**12 else 0
