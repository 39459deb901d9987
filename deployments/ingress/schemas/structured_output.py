"""The fields that ask for a response of a given form: OpenAI's `response_format`, and vLLM's.

`guided_*` are the names of vLLM before 0.12, `structured_outputs` is that of later versions. In:
the parsed fields. Out: the one `OutputFormat` they name. The model compiles it, and refuses by name
what it cannot hold a response to.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import FormatKind, OutputFormat
from deployments.ingress.schemas.tools import ResponseFormat, schema_text

MAX_FORMAT_CHARS = 65_536
MAX_CHOICES = 1_000

SchemaOrText = dict[str, Any] | Annotated[str, Field(max_length=MAX_FORMAT_CHARS)]
Pattern = Annotated[str, Field(min_length=1, max_length=4_096)]
Choices = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=4_096)]],
    Field(min_length=1, max_length=MAX_CHOICES),
]
Ebnf = Annotated[str, Field(min_length=1, max_length=MAX_FORMAT_CHARS)]


class StructuredOutputs(BaseModel):
    """vLLM's field: exactly one of its members."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_by_name=True, validate_by_alias=True
    )

    json_schema: Annotated[SchemaOrText | None, Field(alias="json")] = None
    regex: Pattern | None = None
    choice: Choices | None = None
    grammar: Ebnf | None = None
    json_object: bool | None = None


class StructuredOutputFields(BaseModel):
    """A part of the bodies of chat and plain completions."""

    response_format: ResponseFormat | None = None
    guided_json: SchemaOrText | None = None
    guided_regex: Pattern | None = None
    guided_choice: Choices | None = None
    guided_grammar: Ebnf | None = None
    structured_outputs: StructuredOutputs | None = None

    def output_format(self) -> OutputFormat | None:
        """What the response must be; None: any text.

        Raises InvalidRequest where two fields ask for a form, or a schema is too large.
        """
        formats = list(self._formats())
        if len(formats) > 1:
            first, second = formats[0].param, formats[1].param
            raise InvalidRequest(f"{second}: {first} asks for another form.", param=second)
        return formats[0] if formats else None

    def _formats(self) -> Iterator[OutputFormat]:
        openai = None if self.response_format is None else self.response_format.output_format()
        if openai is not None:
            yield openai
        newer = self.structured_outputs or StructuredOutputs()
        if newer.json_object:
            yield OutputFormat("json_object", "", "structured_outputs.json_object")
        given: tuple[tuple[FormatKind, str, Any], ...] = (
            ("json_schema", "guided_json", self.guided_json),
            ("json_schema", "structured_outputs.json", newer.json_schema),
            ("regex", "guided_regex", self.guided_regex),
            ("regex", "structured_outputs.regex", newer.regex),
            ("choice", "guided_choice", self.guided_choice),
            ("choice", "structured_outputs.choice", newer.choice),
            ("grammar", "guided_grammar", self.guided_grammar),
            ("grammar", "structured_outputs.grammar", newer.grammar),
        )
        for kind, param, value in given:
            if value is not None:
                yield OutputFormat(kind, _definition(value, param), param)


FORMAT_FIELDS = frozenset(StructuredOutputFields.model_fields)


def _definition(given: dict[str, Any] | list[str] | str, param: str) -> str:
    if isinstance(given, str):
        return given
    return schema_text(given, param) if isinstance(given, dict) else orjson.dumps(given).decode()
