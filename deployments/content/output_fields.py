"""A caller's own fields: a text as a JSON object by the caller's schema, beside the plain text.

In: a JSON Schema of an object, and what a model wrote by it. Out: the lines of the prompt that name
the fields, the parsed object, and its texts as one text to clean and score.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from cluster.runtime.problems import InvalidRequest
from deployments.content.prompts import ChatMessage, single_line
from deployments.contracts.generation import OutputFormat

PARAM = "output_schema"
SYSTEM = "You write social media captions and posts. Reply with one JSON object only."

_MAX_FIELDS = 20  # that the prompt describes
_MAX_DESCRIPTION = 120  # characters of a description in the prompt


def check_schema(schema: str) -> None:
    """Raises InvalidRequest unless `schema` is one of an object with properties."""
    properties = _properties(schema)
    if not properties:
        raise InvalidRequest(
            f"'{PARAM}' is not the schema of an object with properties.", param=PARAM
        )


def output_format(schema: str) -> OutputFormat:
    """What a model is held to."""
    return OutputFormat("json_schema", schema, PARAM)


def fields_messages(chat: list[ChatMessage], schema: str) -> list[ChatMessage]:
    """The chat of a brief, asking for the fields of `schema` instead of one text."""
    names = [_describe(name, each) for name, each in list(_properties(schema).items())]
    line = f"Write it as JSON with these fields: {'; '.join(names[:_MAX_FIELDS])}."
    user = chat[-1]
    return [
        {"role": "system", "content": SYSTEM},
        {"role": user["role"], "content": f"{user['content']}\n{line}"},
    ]


def parse_fields(text: str) -> dict[str, Any] | None:
    """The object that a model wrote; None where it is incomplete."""
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def joined_texts(fields: dict[str, Any]) -> str:
    """The texts of all fields, in their order, as paragraphs."""
    return "\n\n".join(text for text in _texts(fields) if text.strip())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _properties(schema: str) -> dict[str, Any]:
    try:
        parsed = orjson.loads(schema)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(parsed, dict) or parsed.get("type", "object") != "object":
        return {}
    properties = parsed.get("properties")
    return properties if isinstance(properties, dict) else {}


def _describe(name: str, schema: Any) -> str:
    description = schema.get("description") if isinstance(schema, dict) else None
    if not isinstance(description, str):
        return single_line(name)
    return f"{single_line(name)} ({single_line(description)[:_MAX_DESCRIPTION]})"
