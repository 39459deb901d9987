"""JSON Schemas: what the grammar holds a text to, and what is refused by its pointer."""

import json
from typing import Any

import pytest

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import OutputFormat
from deployments.model.text.structured.compiler import (
    Grammar,
    build_grammar,
    compile_output,
    compile_schema,
)
from deployments.model.text.structured.nodes import alternation, concatenation, literal
from deployments.model.text.structured.rules import RuleSet
from tests.unit.model.structured.reference_grammar import ReferenceGrammar


def compiled(schema: Any) -> Grammar:
    return compile_output(OutputFormat("json_schema", json.dumps(schema)))


def matches(schema: Any, text: str) -> bool:
    return ReferenceGrammar(compiled(schema).ebnf).matches(text)


@pytest.mark.parametrize(
    ("schema", "kept", "left_out"),
    [
        ({"type": "integer", "minimum": 8, "maximum": 120}, "8 99 120", "7 121 08 -9 9.0"),
        ({"type": "integer", "exclusiveMinimum": -3, "maximum": 3}, "-2 0 3", "-3 4 -0"),
        ({"type": "number", "minimum": 0, "maximum": 1}, "0 0.25 1", "-0.1 1.1 01 1. .5"),
        ({"type": "number", "exclusiveMinimum": 0}, "0.001 5 17.25", "0 0.0 -1"),
        ({"type": "number", "minimum": 0.5, "exclusiveMaximum": 2.25}, "0.5 1.9 2.2", "0.49 2.25"),
        ({"type": "number"}, "-1.5e+16 0 3e-7", "+1 1.e5 00"),
        ({"type": ["boolean", "null"]}, "true false null", '1 "true"'),
        ({"type": "boolean", "nullable": True}, "true null", "0"),
        ({"enum": ["a", 1, None], "type": ["string", "null"]}, '"a" null', "1"),
        ({"const": {"b": [1.5, "é"]}}, '{"b":[1.5,"é"]}', '{"b":[1.5]}'),
        ({"type": "string", "minLength": 2, "maxLength": 3}, '"ab" "a✓c"', '"a" "abcd"'),
        ({"type": "string", "pattern": "b"}, '"abc" "b"', '"ac"'),
        ({"type": "string", "pattern": "^[a-z]*$", "maxLength": 2}, '"" "ab"', '"abc" "A"'),
        ({"type": "string", "format": "ipv4"}, '"192.168.0.1"', '"256.0.0.1" "1.2.3"'),
        ({"type": "array", "items": {"type": "null"}, "minItems": 1, "maxItems": 2},
         "[null] [null,null]", "[] [null,null,null] [null,]"),
        ({"prefixItems": [{"type": "null"}, {"const": 1}], "items": False}, "[] [null] [null,1]",
         "[1] [null,1,1]"),
        ({"type": "object", "additionalProperties": {"const": 1}}, '{} {"x":1} {"x":1,"y":1}',
         '{"x":2}'),
        ({"properties": {"a": {"const": 1}, "b": {"const": 2}}},
         '{} {"a":1} {"b":2} {"a":1,"b":2}', '{"b":2,"a":1} {"c":1} {"a":1,}'),
        ({"properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}},
          "required": ["b"]}, '{"b":2} {"a":1,"b":2,"c":3}', '{"a":1} {"a":1,"c":3}'),
        ({"required": ["x"], "additionalProperties": {"const": 1}}, '{"x":1}', "{}"),
        ({"anyOf": [{"const": 1}, {"type": "null"}]}, "1 null", "2"),
        ({"type": ["integer", "null"], "anyOf": [{"minimum": 5, "maximum": 6}, {"const": None}]},
         "5 6 null", '7 "x"'),
        ({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "string", "maxLength": 1}]},
         '3 "a"', '4 "ab"'),
        ({"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"const": 1}}}, "1", "2"),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {
            "n": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}, "required": ["n"]}}},
         '{"n":null} {"n":{"n":null}}', '{"n":1} {}'),
    ],
)  # fmt: skip
def test_the_grammar_keeps_to_the_schema(schema: Any, kept: str, left_out: str) -> None:
    for text in kept.split():
        assert matches(schema, text), text
    for text in left_out.split():
        assert not matches(schema, text), text


def test_free_values_are_nested_five_deep_and_without_white_space() -> None:
    assert matches({}, '{"a":[1,{"b":[[2]]}],"c":"d e"}')
    assert not matches({}, "[[[[[[1]]]]]]")
    assert not matches({}, '{"a": 1}')


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"properties": {"x": {"not": {}}}}, "/properties/x/not"),
        ({"properties": {"a/b~": {"if": {}}}}, "/properties/a~1b~0/if"),
        ({"allOf": [{"type": "object"}, {"type": "object"}]}, "/allOf"),
        ({"type": "object", "anyOf": [{}], "properties": {}}, "/properties"),
        ({"$ref": "https://example.org/s"}, "/$ref"),
        ({"items": {"$ref": "#/$defs/none"}}, "/items/$ref"),
        ({"type": "string", "format": "ssn"}, "/format"),
        ({"type": "string", "pattern": "(?=a)"}, "/pattern"),
        ({"type": "string", "pattern": "^a{1,9}$", "format": "date"}, "/format"),
        ({"type": "string", "minLength": 101}, "/minLength"),
        ({"type": "array", "minItems": 101}, "/minItems"),
        ({"type": "number", "minimum": 1e-300}, "/minimum"),
        ({"type": "integer", "multipleOf": 5}, "/multipleOf"),
        ({"type": "array", "uniqueItems": True}, "/uniqueItems"),
        ({"patternProperties": {}}, "/patternProperties"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "/oneOf/1"),
        ({"oneOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, "/oneOf/1"),
        ({"enum": ["a"], "pattern": "a"}, "/pattern"),
    ],
)
def test_what_is_outside_of_the_subset_is_refused_by_its_pointer(schema: Any, pointer: str) -> None:
    with pytest.raises(UnsupportedParameter) as refusal:
        compiled(schema)

    assert refusal.value.param == f"response_format{pointer}"


@pytest.mark.parametrize(
    ("schema", "pointer", "why"),
    [
        ({"type": "nothing"}, "/type", "one or more of"),
        ({"enum": []}, "/enum", "none of its values"),
        ({"enum": ["a"], "type": "null"}, "/enum", "none of its values"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "/minimum", "no number"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "/maxLength", "below minLength"),
        ({"properties": {"x": False}, "required": ["x"]}, "/properties/x", "nothing is valid"),
        ({"required": ["x"], "additionalProperties": False}, "/required", "'x'"),
        ({"properties": []}, "/properties", "an object of schemas"),
        ({"minItems": "3"}, "/minItems", "a whole number"),
        ({"$ref": "#"}, "", "no finite text"),
        ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "", "no finite text"),
    ],
)
def test_what_no_text_could_follow_is_refused(schema: Any, pointer: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as refusal:
        compiled(schema)

    assert refusal.value.param == f"response_format{pointer}"


def test_sizes_are_bounded_by_name() -> None:
    deep: Any = {"type": "null"}
    for _ in range(40):
        deep = {"items": deep}
    references = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(300)}
    for schema, limit in (
        ({"title": "x" * 70_000}, "65536"),
        (deep, "32"),
        ({"enum": list(range(1_001))}, "1000"),
        ({"$ref": "#/$defs/d0", "$defs": {**references, "d300": {}}}, "200"),
        ({"enum": [f"{i:0100d}"[::-1] for i in range(400, 640)]}, "16000"),
    ):
        with pytest.raises(InvalidRequest, match=limit):
            compiled(schema)


def test_references_that_multiply_stay_small() -> None:
    laughs = {f"l{i}": {"prefixItems": [{"$ref": f"#/$defs/l{i + 1}"}] * 5} for i in range(50)}
    grammar = compiled({"$ref": "#/$defs/l0", "$defs": {**laughs, "l50": {"type": "null"}}})

    assert len(grammar.ebnf) < 10_000


def test_limits_that_the_grammar_leaves_out_are_checked_at_the_end() -> None:
    grammar = compiled({"type": "array", "items": {"type": "string", "maxLength": 150}})

    assert ReferenceGrammar(grammar.ebnf).matches(json.dumps(["x" * 151]))
    assert grammar.accepts(json.dumps(["x" * 150]))
    assert not grammar.accepts(json.dumps(["x" * 151]))
    assert not grammar.accepts('["x')


def test_schemas_are_joined_with_literals_in_one_grammar() -> None:
    rules = RuleSet()
    calls = []
    for name in ("sum", "max"):
        arguments = compile_schema(
            '{"properties": {"of": {"type": "string"}}, "required": ["of"]}', "tools", rules
        )
        calls.append(concatenation(literal(f"{name}("), arguments.node, literal(")")))
    grammar = ReferenceGrammar(build_grammar(alternation(*calls), rules, "tools").ebnf)

    assert grammar.matches('max({"of":"a"})')
    assert not grammar.matches('min({"of":"a"})')
