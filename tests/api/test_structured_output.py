"""Fields that ask for a response of a given form, as clients send them."""

import json
from typing import Any

import httpx
import pytest

from deployments.contracts.generation import OutputFormat
from tests.api.fakes import WordsModel

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"b": {}, "a": {}}}
CHAT: dict[str, Any] = {"model": "words", "messages": [{"role": "user", "content": "hello"}]}
PLAIN: dict[str, Any] = {"model": "words", "prompt": "hello"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, ("json_object", "", "response_format")),
        (
            {"response_format": {"type": "json_schema", "json_schema": {
                "name": "x", "strict": True, "schema": SCHEMA}}},
            ("json_schema", SCHEMA, "response_format.json_schema.schema"),
        ),
        ({"guided_json": SCHEMA}, ("json_schema", SCHEMA, "guided_json")),
        ({"guided_json": json.dumps(SCHEMA)}, ("json_schema", SCHEMA, "guided_json")),
        ({"guided_regex": "a+"}, ("regex", "a+", "guided_regex")),
        ({"guided_choice": ["a", "ä"]}, ("choice", ["a", "ä"], "guided_choice")),
        ({"guided_grammar": "root ::= x"}, ("grammar", "root ::= x", "guided_grammar")),
        ({"structured_outputs": {"json": SCHEMA}},
         ("json_schema", SCHEMA, "structured_outputs.json")),
        ({"structured_outputs": {"choice": ["a"]}}, ("choice", ["a"], "structured_outputs.choice")),
        ({"structured_outputs": {"json_object": True}},
         ("json_object", "", "structured_outputs.json_object")),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("path", "body"), [("chat/completions", CHAT), ("completions", PLAIN)])
async def test_each_field_becomes_one_format(
    client: httpx.AsyncClient,
    model: WordsModel,
    path: str,
    body: dict[str, Any],
    fields: dict[str, Any],
    expected: tuple[str, Any, str] | None,
) -> None:
    response = await client.post(f"/v1/{path}", json=body | fields)

    assert response.status_code == 200, response.text
    asked = model.requests[0].output_format
    if expected is None or asked is None:
        assert asked is expected
        return
    kind, definition, param = expected
    assert isinstance(asked, OutputFormat)
    assert (asked.kind, asked.param) == (kind, param)
    assert asked.definition == definition or json.loads(asked.definition) == definition


async def test_members_of_a_schema_keep_their_order(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    await client.post("/v1/chat/completions", json=CHAT | {"guided_json": SCHEMA})

    asked = model.requests[0].output_format
    assert asked is not None
    assert list(json.loads(asked.definition)["properties"]) == ["b", "a"]


async def test_two_formats_contradict_each_other(client: httpx.AsyncClient) -> None:
    both = {"guided_regex": "a", "response_format": {"type": "json_object"}}

    response = await client.post("/v1/chat/completions", json=CHAT | both)

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "guided_regex"
    assert "response_format" in error["message"]


async def test_a_schema_that_is_too_large_is_refused_by_its_field(
    client: httpx.AsyncClient,
) -> None:
    huge = {"type": "string", "title": "x" * 70_000}

    response = await client.post("/v1/chat/completions", json=CHAT | {"guided_json": huge})

    assert response.status_code == 400
    assert response.json()["error"]["param"] == "guided_json"
    assert "65536" in response.json()["error"]["message"]


async def test_variants_carry_the_callers_fields(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    schema = {"type": "object", "properties": {"headline": {"type": "string"}}}
    model.words = ['{"headline":"A', "rooftop", 'bar!"}']

    body = {"topic": "a rooftop bar", "hashtags": 0, "output_schema": schema}
    response = await client.post("/api/v1/captions", json=body)

    assert response.status_code == 200, response.text
    (variant,) = response.json()["variants"]
    assert variant["fields"] == {"headline": "A rooftop bar!"}
    assert variant["text"] == "A rooftop bar!"
    asked = model.requests[0].output_format
    assert asked is not None
    assert (asked.kind, asked.param) == ("json_schema", "output_schema")


async def test_incomplete_fields_are_a_failure(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.words = ['{"headline":"A']
    schema = {"type": "object", "properties": {"headline": {"type": "string"}}}

    response = await client.post(
        "/api/v1/posts", json={"topic": "a rooftop bar", "output_schema": schema}
    )

    assert response.status_code == 400
    assert response.json()["param"] == "output_schema"
