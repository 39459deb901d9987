"""Filters of queries: which payloads pass, and which filters are refused."""

from typing import Any

import pytest

from cluster.collections.filters import check_filter, matches
from cluster.runtime.problems import InvalidRequest

PAYLOAD = {
    "lang": "en",
    "year": 2024,
    "tags": ["coffee", "bar"],
    "draft": False,
    "note": None,
    "author": {"name": "Ana"},
    "a.b": 1,
    "a": {"b": 2},
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"eq": {"lang": "en"}}, True),
        ({"eq": {"lang": "de"}}, False),
        ({"eq": {"nothing": None}}, False),
        ({"eq": {"note": None}}, True),
        ({"eq": {"year": 2024.0}}, True),
        ({"eq": {"draft": 0}}, False),
        ({"eq": {"draft": False}}, True),
        ({"eq": {"tags": "bar"}}, True),
        ({"eq": {"author.name": "Ana"}}, True),
        ({"eq": {"a.b": 1}}, True),
        ({"eq": {"lang": "en", "year": 2023}}, False),
        ({"in": {"lang": ["de", "en"]}}, True),
        ({"in": {"tags": ["tea"]}}, False),
        ({"range": {"year": {"gte": 2024, "lt": 2025}}}, True),
        ({"range": {"year": {"gt": 2024}}}, False),
        ({"range": {"year": {"lte": "2024"}}}, False),
        ({"range": {"lang": {"gte": "e", "lt": "f"}}}, True),
        ({"range": {"draft": {"gte": 0}}}, False),
        ({"exists": "note"}, True),
        ({"exists": ["note", "nothing"]}, False),
        ({"not": {"eq": {"lang": "en"}}}, False),
        ({"not": {"eq": {"nothing": 1}}}, True),
        ({"or": [{"eq": {"lang": "de"}}, {"exists": "year"}]}, True),
        ({"and": [{"exists": "year"}, {"eq": {"lang": "de"}}]}, False),
        ({"eq": {"lang": "en"}, "range": {"year": {"gt": 2030}}}, False),
    ],
)
def test_a_payload_passes_if_every_condition_holds(given: dict[str, Any], expected: bool) -> None:
    check_filter(given)

    assert matches(given, PAYLOAD) is expected


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, "filter"),
        ([], "filter"),
        ({"like": {"a": 1}}, "filter"),
        ({"eq": {}}, "filter.eq"),
        ({"eq": {"a": {}}}, "filter.eq.a"),
        ({"eq": {"": 1}}, "filter.eq"),
        ({"in": {"a": []}}, "filter.in.a"),
        ({"in": {"a": [[1]]}}, "filter.in.a"),
        ({"range": {"a": {"above": 1}}}, "filter.range.a"),
        ({"range": {"a": {"gt": 1, "lt": "z"}}}, "filter.range.a"),
        ({"range": {"a": {"gt": True}}}, "filter.range.a"),
        ({"exists": 1}, "filter.exists"),
        ({"and": []}, "filter.and"),
        ({"or": [{"eq": {"a": 1}}, 7]}, "filter.or.1"),
        ({"not": None}, "filter.not"),
        ({"and": [{"exists": "a"}] * 201}, "filter"),
    ],
)
def test_what_is_no_filter_is_refused_by_its_place(given: Any, where: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_filter(given)

    assert refused.value.param == where


def test_a_filter_is_not_nested_without_end() -> None:
    nested: dict[str, Any] = {"exists": "a"}
    for _ in range(100):
        nested = {"not": nested}

    with pytest.raises(InvalidRequest, match="deeper than 8"):
        check_filter(nested)
