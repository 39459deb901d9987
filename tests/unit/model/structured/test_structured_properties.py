"""Random schemas of the subset: what the grammar allows is valid, and what is valid is allowed."""

import json
from random import Random

import jsonschema
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import OutputFormat
from deployments.model.text.structured.compiler import Grammar, compile_output
from load_tests.benchmarks.common.random_schemas import RandomSchema, hostile_format
from tests.unit.model.structured.reference_grammar import ReferenceGrammar

SEEDS = st.integers(0, 2**32)


def compiled(schema: object) -> Grammar:
    return compile_output(OutputFormat("json_schema", orjson.dumps(schema).decode()))


@given(SEEDS)
def test_every_text_of_the_grammar_is_valid_by_the_schema(seed: int) -> None:
    rng = Random(seed)
    schema = RandomSchema(rng).schema
    grammar = compiled(schema)
    reference = ReferenceGrammar(grammar.ebnf)

    for _ in range(4):
        text = reference.generate(rng)

        jsonschema.validate(json.loads(text), schema)
        assert grammar.accepts(text)


@given(SEEDS)
def test_a_valid_value_in_compact_form_is_a_text_of_the_grammar(seed: int) -> None:
    rng = Random(seed)
    example = RandomSchema(rng)
    reference = ReferenceGrammar(compiled(example.schema).ebnf)

    for _ in range(4):
        value = example.value()

        jsonschema.validate(value, example.schema)
        assert reference.matches(orjson.dumps(value).decode())


@given(SEEDS)
def test_a_hostile_definition_is_refused_by_name(seed: int) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        compile_output(hostile_format(Random(seed)))

    assert (refusal.value.param or "").startswith("response_format")


@given(st.sampled_from(["regex", "grammar", "choice", "json_schema"]), st.text(max_size=60))
@example("json_schema", "0")
@example("json_schema", "null")
@example("json_schema", '"text"')
def test_any_text_compiles_or_is_refused(kind: str, definition: str) -> None:
    try:
        grammar = compile_output(OutputFormat(kind, definition))  # type: ignore[arg-type]
    except InvalidRequest:
        return
    ReferenceGrammar(grammar.ebnf)
