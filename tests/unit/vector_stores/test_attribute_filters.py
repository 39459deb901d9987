"""OpenAI's filters mean over attributes of files what filters of collections mean over payloads."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cluster.collections.filters import check_filter, matches
from deployments.ingress.operations.vector_store_search import collection_filter
from deployments.ingress.schemas.file_search import AttributeFilter
from deployments.vector_stores.model import point_payload

FILTERS: TypeAdapter[Any] = TypeAdapter(AttributeFilter)
ATTRIBUTES = {"year": 2026.0, "lang": "en", "draft": False, "a.b": "dotted"}


def passes(filter: dict[str, Any]) -> bool:
    found = collection_filter(FILTERS.validate_python(filter))
    assert found is not None
    check_filter(found)
    return matches(found, point_payload("notes.md", "file-1", ATTRIBUTES))


@pytest.mark.parametrize(
    ("kind", "key", "value", "expected"),
    [
        ("eq", "year", 2026, True),
        ("eq", "year", "2026", False),
        ("eq", "draft", False, True),
        ("eq", "draft", 0, False),
        ("eq", "a.b", "dotted", True),
        ("ne", "lang", "de", True),
        ("ne", "nothing", "de", True),
        ("gt", "year", 2025, True),
        ("gte", "year", 2026, True),
        ("lt", "year", 2026, False),
        ("lte", "lang", "en", True),
        ("gt", "nothing", 0, False),
        ("in", "lang", ["de", "en"], True),
        ("nin", "lang", ["de", "en"], False),
        ("nin", "nothing", ["de"], True),
    ],
)
def test_a_comparison_is_one_of_the_payload(
    kind: str, key: str, value: Any, expected: bool
) -> None:
    assert passes({"type": kind, "key": key, "value": value}) is expected


def test_filters_combine() -> None:
    english = {"type": "eq", "key": "lang", "value": "en"}
    later = {"type": "gt", "key": "year", "value": 2030}

    assert passes({"type": "or", "filters": [english, later]})
    assert not passes({"type": "and", "filters": [english, later]})
    assert passes({"type": "and", "filters": [english, {"type": "or", "filters": [english]}]})


def nested(depth: int) -> dict[str, Any]:
    filter: dict[str, Any] = {"type": "ne", "key": "a", "value": 1}
    for _ in range(depth):
        filter = {"type": "and", "filters": [filter]}
    return filter


@pytest.mark.parametrize(
    "filter",
    [
        pytest.param({"type": "like", "key": "a", "value": "b"}, id="unknown"),
        pytest.param({"type": "eq", "key": "a", "value": ["b"]}, id="a list for one"),
        pytest.param({"type": "in", "key": "a", "value": "b"}, id="one for a list"),
        pytest.param({"type": "in", "key": "a", "value": []}, id="an empty list"),
        pytest.param({"type": "gt", "key": "a", "value": True}, id="more than true"),
        pytest.param({"type": "eq", "key": "", "value": 1}, id="no key"),
        pytest.param({"type": "and", "filters": []}, id="all of nothing"),
        pytest.param(nested(7), id="too deep"),
        pytest.param({"type": "eq", "key": "a", "value": float("nan")}, id="not a number"),
    ],
)
def test_what_is_no_filter_is_refused(filter: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FILTERS.validate_python(filter)


def test_the_deepest_filter_is_one_of_collections() -> None:
    assert passes(nested(6))
