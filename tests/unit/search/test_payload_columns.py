"""Filters over columns pass the payloads that they pass one by one."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.collections.filters import check_filter, matches
from deployments.search.payload_columns import PayloadColumns

FIELDS = st.sampled_from(("a", "b", "a.b", "c"))
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from((0.5, -0.0, 2.0, 1e300, 2**53, 2**53 + 1, -(2**63), 2**64, 2**70)),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(("", "x", "xy", "ü", "0")))
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(FIELDS, SCALARS, max_size=2)
)
PAYLOADS = st.dictionaries(FIELDS, VALUES, max_size=4)
BOUNDS = st.sampled_from(("gt", "gte", "lt", "lte"))
RANGES = st.one_of(
    st.dictionaries(BOUNDS, NUMBERS, min_size=1, max_size=2),
    st.dictionaries(BOUNDS, st.sampled_from(("", "x", "xz")), min_size=1, max_size=2),
)
CONDITIONS = st.one_of(
    st.builds(lambda field, value: {"eq": {field: value}}, FIELDS, SCALARS),
    st.builds(lambda field, values: {"in": {field: values}}, FIELDS, st.lists(SCALARS, min_size=1)),
    st.builds(lambda field, bounds: {"range": {field: bounds}}, FIELDS, RANGES),
    st.builds(lambda field: {"exists": field}, FIELDS),
    st.builds(lambda fields: {"exists": fields}, st.lists(FIELDS, min_size=1, max_size=2)),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.builds(lambda each: {"and": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each: {"or": each}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda one, other: {**one, **other}, inner, inner),
    ),
    max_leaves=5,
)


def encoded(payloads: list[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(payload).encode() for payload in payloads]


def passing(columns: PayloadColumns, filter: Mapping[str, Any]) -> list[bool]:
    return [bool(each) for each in columns.mask(filter)]


@given(st.lists(PAYLOADS, max_size=8), st.lists(PAYLOADS, max_size=3), FILTERS)
@settings(max_examples=150, deadline=None)
def test_a_mask_has_the_payloads_that_match(
    payloads: list[dict[str, Any]], later: list[dict[str, Any]], filter: dict[str, Any]
) -> None:
    check_filter(filter)
    columns = PayloadColumns()
    columns.extend(encoded(payloads))

    assert passing(columns, filter) == [matches(filter, each) for each in payloads]
    columns.extend(encoded(later))
    every = [*payloads, *later]
    assert passing(columns, filter) == [matches(filter, each) for each in every]
    kept = np.arange(len(every)) % 2 == 0
    columns.keep(kept)
    assert passing(columns, filter) == [matches(filter, each) for each in every[::2]]


def test_columns_count_their_bytes() -> None:
    columns = PayloadColumns()
    columns.extend(encoded([{"n": number} for number in range(100)]))
    before = columns.nbytes

    columns.mask({"eq": {"n": 3}})

    assert columns.nbytes > before > 0
