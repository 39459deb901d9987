"""What Anthropic's clients may send to `/v1/messages` and `/v1/messages/count_tokens`.

Other fields, hints such as `thinking` and `service_tier` among them, are ignored and named in a
header. Content blocks and tools of types that are not here are refused by name.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from cluster.runtime.numbers import FLOAT32
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.schemas.chat_messages import FunctionName
from deployments.ingress.schemas.lenient import LenientPart, RequestedModel
from deployments.ingress.schemas.openai import MAX_MESSAGES, MAX_OUTPUT_TOKENS
from deployments.ingress.schemas.tools import MAX_DESCRIPTION, MAX_TOOLS

MAX_STOPS = 32

CallId = Annotated[str, Field(min_length=1, max_length=256)]


class TextBlock(LenientPart):
    type: Literal["text"]
    text: str


class ToolUseBlock(LenientPart):
    """A call that the model has asked for."""

    type: Literal["tool_use"]
    id: CallId
    name: FunctionName
    input: dict[str, Any]


class ThinkingBlock(LenientPart):
    """What a model has thought; ignored."""

    type: Literal["thinking", "redacted_thinking"]


class ImageSourceBody(LenientPart):
    """Where a picture is: `data` in base64, at a `url` of https, or in a file of yours."""

    type: Literal["base64", "url", "file"]
    media_type: Annotated[str, Field(max_length=100)] | None = None
    data: str | None = None
    url: str | None = None
    file_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class ImageBlock(LenientPart):
    """A picture."""

    type: Literal["image"]
    source: ImageSourceBody


class OtherBlock(LenientPart):
    """A block of a type that no model here takes: a document, a tool of Anthropic's."""

    type: str


def _kind(value: Any, known: Mapping[str, str]) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return known.get(kind, "other") if isinstance(kind, str) else "other"


def _result_kind(value: Any) -> str:
    return _kind(value, {"text": "text"})


ResultBlock = Annotated[
    Annotated[TextBlock, Tag("text")] | Annotated[OtherBlock, Tag("other")],
    Discriminator(_result_kind),
]


class ToolResultBlock(LenientPart):
    """What the tool has returned, or how it has failed."""

    type: Literal["tool_result"]
    tool_use_id: CallId
    content: str | Annotated[list[ResultBlock], Field(max_length=MAX_MESSAGES)] | None = None
    is_error: bool | None = None


_BLOCKS = {
    "text": "text",
    "image": "image",
    "tool_use": "tool_use",
    "tool_result": "tool_result",
    "thinking": "thinking",
    "redacted_thinking": "thinking",
}


def _block_kind(value: Any) -> str:
    return _kind(value, _BLOCKS)


ContentBlock = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[OtherBlock, Tag("other")],
    Discriminator(_block_kind),
]


class MessageTurn(LenientPart):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: str | Annotated[list[ContentBlock], Field(max_length=MAX_MESSAGES)]


class CustomTool(LenientPart):
    """A tool that the client runs; `input_schema` is a JSON Schema of an object."""

    type: Literal["custom"] | None = None
    name: FunctionName
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None


class ServerTool(LenientPart):
    """A tool of Anthropic's."""

    type: str


def _tool_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return "custom" if kind in (None, "custom") else "other"


MessageTool = Annotated[
    Annotated[CustomTool, Tag("custom")] | Annotated[ServerTool, Tag("other")],
    Discriminator(_tool_kind),
]


class MessageToolChoice(LenientPart):
    """`any`: some tool; `tool`: the one of that `name`."""

    type: Literal["auto", "any", "tool", "none"]
    name: FunctionName | None = None
    disable_parallel_tool_use: bool | None = None


class _Prompt(LenientPart):
    """What counting and generating have in common."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    model: RequestedModel = DEFAULT
    messages: Annotated[list[MessageTurn], Field(min_length=1, max_length=MAX_MESSAGES)]
    system: str | Annotated[list[TextBlock], Field(max_length=MAX_MESSAGES)] | None = None
    tools: Annotated[list[MessageTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: MessageToolChoice | None = None


class MessageCountRequest(_Prompt):
    """Body of `POST /v1/messages/count_tokens`."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {"model": "nano", "messages": [{"role": "user", "content": "Hello"}]}
        },
    )


class MessageMetadata(LenientPart):
    user_id: Annotated[str, Field(max_length=512)] | None = None
    tags: Any = None  # of usage: http/usage_tags.py


class MessageRequest(_Prompt):
    """Body of `POST /v1/messages`."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "model": "nano",
                "max_tokens": 64,
                "messages": [
                    {
                        "role": "user",
                        "content": "Write an Instagram caption about a new coffee shop",
                    }
                ],
            }
        },
    )

    max_tokens: Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)]
    stop_sequences: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=MAX_STOPS)
        ]
        | None
    ) = None
    stream: bool | None = False
    temperature: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000)] | None = None
    metadata: MessageMetadata | None = None
