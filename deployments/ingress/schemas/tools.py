"""`tools`, `tool_choice` and `response_format` of OpenAI's bodies.

In: the parsed fields. Out: `ToolSettings` and `OutputFormat`, which models honour or refuse.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.json_values import count_levels
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import Message, OutputFormat, Tool, ToolSettings
from deployments.ingress.schemas.chat_messages import FunctionName

MAX_TOOLS = 128
MAX_DESCRIPTION = 8_192  # characters
MAX_SCHEMA_BYTES = 65_536
MAX_SCHEMA_LEVELS = 64  # of objects and arrays: a keyword and its schema are two


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FunctionDefinition(_Strict):
    """A function that the model may call; `parameters` is a JSON Schema of an object."""

    name: FunctionName
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(_Strict):
    type: Literal["function"]
    function: FunctionDefinition


class ChosenFunction(_Strict):
    name: FunctionName


class NamedToolChoice(_Strict):
    """The one function to call."""

    type: Literal["function"]
    function: ChosenFunction


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice
Tools = Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)]


class JsonSchemaFormat(_Strict):
    """`schema` is the JSON Schema that the response is held to."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_by_name=True, validate_by_alias=True
    )

    name: Annotated[str, Field(min_length=1, max_length=64)] = "response"
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    definition: Annotated[dict[str, Any], Field(alias="schema")] = {}
    strict: bool | None = None


class ResponseFormat(_Strict):
    """Text, any JSON object, or JSON by a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None

    def output_format(self) -> OutputFormat | None:
        """Raises InvalidRequest where the schema is missing or too large."""
        if self.type == "text":
            return None
        if self.type == "json_object":
            return OutputFormat("json_object")
        if self.json_schema is None:
            param = "response_format.json_schema"
            raise InvalidRequest(f"{param}: the type json_schema goes with a schema.", param=param)
        param = "response_format.json_schema.schema"
        return OutputFormat("json_schema", schema_text(self.json_schema.definition, param), param)


def tool_settings(
    tools: list[FunctionTool] | None, choice: ToolChoice | None, *, parallel: bool | None
) -> ToolSettings | None:
    """None where no tool may be called: no tools, or `none` chosen.

    Raises InvalidRequest for equal names, and for a choice that contradicts the tools.
    """
    names = [tool.function.name for tool in tools or ()]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"tools: two functions are named {double!r}.", param="tools")
    if not names:
        if choice not in (None, "none", "auto"):
            raise InvalidRequest("tool_choice: there are no tools to choose.", param="tool_choice")
        return None
    name = choice.function.name if isinstance(choice, NamedToolChoice) else ""
    if name and name not in names:
        raise InvalidRequest(
            f"tool_choice: no tool is named {name!r}.", param="tool_choice.function.name"
        )
    if choice == "none":
        return None
    return ToolSettings(
        tuple([_tool(index, tool.function) for index, tool in enumerate(tools or ())]),
        "required" if isinstance(choice, NamedToolChoice) else choice or "auto",
        name,
        # A small model that is forced to call would call until its tokens are used up.
        bool(parallel) if choice not in (None, "auto") else parallel is not False,
    )


def schema_text(schema: dict[str, Any], param: str) -> str:
    """A JSON Schema as text, its members in the caller's order.

    Raises InvalidRequest above MAX_SCHEMA_BYTES and MAX_SCHEMA_LEVELS.
    """
    if count_levels(schema, MAX_SCHEMA_LEVELS) > MAX_SCHEMA_LEVELS:
        raise InvalidRequest(
            f"{param} is nested deeper than {MAX_SCHEMA_LEVELS} levels.", param=param
        )
    text = orjson.dumps(schema)
    if len(text) > MAX_SCHEMA_BYTES:
        raise InvalidRequest(
            f"{param} has {len(text)} bytes; the most is {MAX_SCHEMA_BYTES}.", param=param
        )
    return text.decode()


def check_tool_results(messages: Sequence[Message]) -> None:
    """Raises InvalidRequest for a tool's result that no earlier message has called for."""
    called: set[str] = set()
    for index, message in enumerate(messages):
        called.update([call.id for call in message.tool_calls])
        if message.role == "tool" and message.tool_call_id and message.tool_call_id not in called:
            name = f"messages.{index}.tool_call_id"
            raise InvalidRequest(
                f"{name}: no earlier message calls {message.tool_call_id!r}.", param=name
            )


def _tool(index: int, function: FunctionDefinition) -> Tool:
    where = f"tools.{index}.function.parameters"
    schema = function.parameters or {}
    if schema.get("type", "object") != "object":
        raise InvalidRequest(f"{where}.type: arguments are an object.", param=f"{where}.type")
    parameters = schema_text(schema, where)
    return Tool(function.name, function.description or "", parameters, bool(function.strict))
