"""Examples: which outputs meet their expectations, and what hostile ones cost."""

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.templates.examples import Expectations, TemplateExample, digest_of, failures


def failed(output: str, tokens: int = 1, **expect: Any) -> list[str]:
    found = failures(Expectations.model_validate(expect), output, tokens)
    return [failure["expectation"] for failure in found]


@pytest.mark.parametrize(
    ("expect", "good", "bad"),
    [
        pytest.param({"equals": "tea"}, "tea", "tea!", id="equals"),
        pytest.param({"contains": ["tea", "cup"]}, "a cup of tea", "a cup", id="contains"),
        pytest.param({"not_contains": ["gin"]}, "tea", "gin", id="not-contains"),
        pytest.param({"matches": r"#\w+"}, "tea #tea", "tea", id="matches"),
        pytest.param(
            {"json_schema": {"type": "object", "required": ["a"]}}, '{"a": 1}', "{}", id="schema"
        ),
        pytest.param({"json_schema": {"type": "object"}}, "{}", "no", id="no-json"),
        pytest.param(
            {"json_schema": {"$defs": {"n": {"minimum": 3}}, "$ref": "#/$defs/n"}},
            "3",
            "2",
            id="reference",
        ),
        pytest.param({"json_schema": {"pattern": "^a$"}}, '"a"', '"b"', id="schema-pattern"),
        pytest.param({"json_schema": {"uniqueItems": True}}, "[1, 2]", "[1, 1]", id="unique"),
    ],
)
def test_an_output_meets_an_expectation_or_fails_it_by_name(
    expect: dict[str, Any], good: str, bad: str
) -> None:
    assert failed(good, **expect) == []
    assert failed(bad, **expect) == [next(iter(expect))]


def test_tokens_are_counted_and_every_failure_is_named() -> None:
    expect = {"contains": ["tea", "cup"], "equals": "x", "max_tokens": 3}

    assert failed("tea", 4, **expect) == ["equals", "contains", "max_tokens"]


DOUBLING = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}


@pytest.mark.parametrize(
    ("schema", "output"),
    [
        pytest.param({"$defs": DOUBLING | {"a30": {}}, "$ref": "#/$defs/a0"}, "1", id="doubling"),
        pytest.param({"$ref": "#"}, "1", id="endless"),
        pytest.param({"pattern": "(a+)+$"}, f'"{"a" * 5_000}!"', id="exploding-pattern"),
        pytest.param({"items": {"type": "integer"}}, f"[{'1,' * 50_000}1]", id="many-items"),
        pytest.param({"$ref": "https://schemas.example/x"}, "1", id="elsewhere"),
    ],
)
def test_a_schema_that_is_no_bounded_check_fails_the_example(
    schema: dict[str, Any], output: str
) -> None:
    assert failed(output, json_schema=schema) == ["json_schema"]


@pytest.mark.parametrize(
    "expect",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"matches": "("}, id="no-pattern"),
        pytest.param({"json_schema": {"type": "thing"}}, id="no-schema"),
        pytest.param({"json_schema": {"patternProperties": {"a": {}}}}, id="pattern-properties"),
        pytest.param({"json_schema": {"properties": {"x": {"pattern": "("}}}}, id="deep-pattern"),
        pytest.param({"json_schema": {"enum": ["x" * 20_000]}}, id="large-schema"),
        pytest.param({"contains": []}, id="no-texts"),
    ],
)
def test_expectations_that_cannot_be_checked_are_refused(expect: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Expectations.model_validate(expect)


def test_examples_are_named_by_their_content() -> None:
    one, other = (
        TemplateExample.model_validate({"variables": {"a": n}, "expect": {"equals": "x"}})
        for n in (1, 2)
    )

    assert digest_of([one]) == digest_of([one.model_copy()])
    assert len({digest_of([one]), digest_of([other]), digest_of([one, other])}) == 3
