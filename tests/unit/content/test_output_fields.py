"""Captions by a caller's own fields: the prompt, the parsed object, its text."""

import pytest

from cluster.runtime.problems import InvalidRequest
from deployments.content.output_fields import (
    check_schema,
    fields_messages,
    joined_texts,
    parse_fields,
)

SCHEMA = (
    '{"type": "object", "properties": {"headline": {"type": "string", "description": "a\\nshort '
    'one"}, "alt": {"type": "string"}}}'
)


def test_the_prompt_names_the_fields_and_their_descriptions() -> None:
    system, user = fields_messages(
        [{"role": "system", "content": "Text only."}, {"role": "user", "content": "Write."}], SCHEMA
    )

    assert "JSON" in system["content"]
    assert user["content"] == (
        "Write.\nWrite it as JSON with these fields: headline (a short one); alt."
    )


def test_the_text_of_fields_is_all_their_texts_in_order() -> None:
    fields = parse_fields('{"headline": "Hi", "n": 1, "more": [{"alt": "a cup"}, " "], "x": null}')

    assert fields is not None
    assert joined_texts(fields) == "Hi\n\na cup"


@pytest.mark.parametrize("text", ['{"headline": "H', "[1]", ""])
def test_an_incomplete_object_has_no_fields(text: str) -> None:
    assert parse_fields(text) is None


@pytest.mark.parametrize("schema", ["{}", '{"type": "string"}', '{"properties": {}}', "["])
def test_a_schema_without_properties_is_refused(schema: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check_schema(schema)

    assert refusal.value.param == "output_schema"
