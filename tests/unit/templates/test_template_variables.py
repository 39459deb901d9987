"""Values of variables: refused by name, with the limit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.runtime.problems import InvalidRequest
from cluster.templates.variables import Variable, check_values

DECLARED = {
    "name": Variable(max_length=5),
    "code": Variable(pattern="[A-Z]{2}", required=False),
    "count": Variable(type="integer", default=3),
    "ratio": Variable(type="number", required=False),
    "formal": Variable(type="boolean", required=False),
    "tone": Variable(type="enum", values=["dry", "warm"], required=False),
    "tags": Variable(type="list", max_items=2, max_length=3, required=False),
}


def test_defaults_are_taken_and_absent_values_left_out() -> None:
    assert check_values(DECLARED, {"name": "Ada"}, "variables") == {"name": "Ada", "count": 3}


def test_values_of_every_type_are_taken() -> None:
    given = {
        "name": "Ada", "code": "DE", "count": 7, "ratio": 2, "formal": False, "tone": "dry",
        "tags": ["a", "b"],
    }  # fmt: skip

    assert check_values(DECLARED, given, "variables") == {**given, "tags": ("a", "b")}


@pytest.mark.parametrize(
    ("values", "param", "limit"),
    [
        pytest.param({}, "name", None, id="missing"),
        pytest.param({"name": None}, "name", None, id="null"),
        pytest.param({"name": "Ada", "other": 1}, "other", None, id="unknown"),
        pytest.param({"name": 5}, "name", None, id="no-string"),
        pytest.param({"name": "Ada Lovelace"}, "name", 5, id="too-long"),
        pytest.param({"name": "Ada", "code": "de"}, "code", "[A-Z]{2}", id="pattern"),
        pytest.param({"name": "Ada", "code": "DEU"}, "code", "[A-Z]{2}", id="part-of-it"),
        pytest.param({"name": "Ada", "count": "3"}, "count", None, id="no-integer"),
        pytest.param({"name": "Ada", "count": True}, "count", None, id="boolean-as-integer"),
        pytest.param({"name": "Ada", "count": 1.5}, "count", None, id="fraction"),
        pytest.param({"name": "Ada", "count": 2**60}, "count", 2**53 - 1, id="too-large"),
        pytest.param({"name": "Ada", "ratio": float("inf")}, "ratio", 2**53 - 1, id="infinite"),
        pytest.param({"name": "Ada", "formal": 1}, "formal", None, id="no-boolean"),
        pytest.param({"name": "Ada", "tone": "loud"}, "tone", None, id="no-member"),
        pytest.param({"name": "Ada", "tags": "a"}, "tags", None, id="no-list"),
        pytest.param({"name": "Ada", "tags": ["a", "b", "c"]}, "tags", 2, id="too-many"),
        pytest.param({"name": "Ada", "tags": ["a", 1]}, "tags.1", None, id="no-string-in-list"),
        pytest.param({"name": "Ada", "tags": ["abcd"]}, "tags.0", 3, id="too-long-in-list"),
        pytest.param({"name": {"a": 1}}, "name", None, id="object"),
    ],
)
def test_other_values_are_refused_by_name(
    values: dict[str, Any], param: str, limit: int | str | None
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_values(DECLARED, values, "template.variables")

    assert refused.value.param == f"template.variables.{param}"
    assert refused.value.extensions.get("limit") == limit
    assert refused.value.detail.startswith(f"template.variables.{param}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@given(values=st.dictionaries(st.sampled_from([*DECLARED, "other"]), JSON))
def test_values_are_checked_or_refused_and_nothing_else(values: dict[str, Any]) -> None:
    try:
        checked = check_values(DECLARED, values, "variables")
    except InvalidRequest as refused:
        checked = {"name": "", "count": 0}
        named = str(refused.param)
    else:
        named = "variables."
    assert named.startswith("variables.")
    assert {"name", "count"} <= checked.keys() <= DECLARED.keys()
    assert len(str(checked["name"])) <= 5


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"type": "integer", "max_length": 3}, id="length-of-a-number"),
        pytest.param({"type": "string", "max_items": 3}, id="items-of-a-string"),
        pytest.param({"type": "string", "values": ["a"]}, id="values-of-a-string"),
        pytest.param({"type": "enum"}, id="no-values"),
        pytest.param({"type": "enum", "values": ["a"], "default": "b"}, id="default-no-member"),
        pytest.param({"type": "integer", "default": "3"}, id="default-of-another-type"),
        pytest.param({"max_length": 2, "default": "long"}, id="default-too-long"),
        pytest.param({"pattern": "(a"}, id="no-pattern"),
        pytest.param({"pattern": "a" * 300}, id="long-pattern"),
        pytest.param({"pattern": "(?:foo){e<=9}"}, id="fuzzy-pattern"),
        pytest.param({"pattern": "(?R)"}, id="recursive-pattern"),
        pytest.param({"max_length": 10**9}, id="limit-over-the-limit"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Variable.model_validate(fields)


def test_a_pattern_that_explodes_is_given_up() -> None:
    declared = {"x": Variable(pattern="(a+)+$")}

    with pytest.raises(InvalidRequest, match="in time"):
        check_values(declared, {"x": "a" * 4_000 + "!"}, "variables")
