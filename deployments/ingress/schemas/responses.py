"""What OpenAI clients may send to `/v1/responses`.

The types and bounds of fields that are honoured are checked. Other fields, hints such as
`reasoning` and `service_tier` among them, are ignored and named in a header. What asks
for something that this server cannot do is refused by name (`refuse_unsupported`), as are items,
parts and tools of other types.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from cluster.runtime.numbers import FLOAT32
from cluster.runtime.problems import UnsupportedParameter
from deployments.contracts.images import ImageDetail
from deployments.ingress.names.spec import DEFAULT
from deployments.ingress.schemas.chat_messages import MAX_ARGUMENTS, FunctionName
from deployments.ingress.schemas.file_search import (
    MAX_STORES,
    AttributeFilter,
    MaxFound,
    RankingOptions,
    StoreId,
)
from deployments.ingress.schemas.lenient import LenientPart, RequestedModel
from deployments.ingress.schemas.openai import (
    MAX_MESSAGES,
    MAX_OUTPUT_TOKENS,
    MAX_TOP_LOGPROBS,
)
from deployments.ingress.schemas.template_use import ResponsePrompt, TemplatedBody
from deployments.ingress.schemas.tools import MAX_DESCRIPTION, MAX_TOOLS

MAX_ID = 256
MAX_METADATA = 16

ResponseId = Annotated[str, Field(min_length=1, max_length=MAX_ID)]


class InputText(LenientPart):
    """`output_text` is a part of an assistant's message that comes back."""

    type: Literal["input_text", "output_text", "text"]
    text: str


class InputRefusal(LenientPart):
    type: Literal["refusal"]
    refusal: str


class InputImage(LenientPart):
    """A picture: a data URL of base64 or a URL of https, or the id of one of your files."""

    type: Literal["input_image"]
    image_url: str | None = None
    file_id: Annotated[str, Field(min_length=1, max_length=MAX_ID)] | None = None
    detail: ImageDetail | None = "auto"


class OtherPart(LenientPart):
    """A part of a type that no model here takes: a file, audio."""

    type: str


def _part_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    if kind in ("input_text", "output_text", "text"):
        return "text"
    return kind if kind in ("refusal", "input_image") else "other"


InputPart = Annotated[
    Annotated[InputText, Tag("text")]
    | Annotated[InputRefusal, Tag("refusal")]
    | Annotated[InputImage, Tag("input_image")]
    | Annotated[OtherPart, Tag("other")],
    Discriminator(_part_kind),
]
InputContent = str | Annotated[list[InputPart], Field(max_length=MAX_MESSAGES)]


class _Item(LenientPart):
    id: Annotated[str, Field(max_length=MAX_ID)] | None = None


class InputMessage(_Item):
    """A turn of the conversation; `developer` means `system`."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: InputContent


class FunctionCallItem(_Item):
    """A call that the model has asked for."""

    type: Literal["function_call"]
    call_id: ResponseId
    name: FunctionName
    arguments: Annotated[str, Field(max_length=MAX_ARGUMENTS)]


class FunctionCallOutput(_Item):
    """What the function has returned."""

    type: Literal["function_call_output"]
    call_id: ResponseId
    output: InputContent


class ItemReference(LenientPart):
    """An item of a stored response."""

    type: Literal["item_reference"] | None = "item_reference"
    id: ResponseId


class ReasoningItem(_Item):
    """What a model has thought; ignored."""

    type: Literal["reasoning"]


class FileSearchCallItem(_Item):
    """A search of an earlier response; ignored, as each response searches anew."""

    type: Literal["file_search_call"]


class OtherItem(_Item):
    """An item of a tool that this server does not have."""

    type: str


_ITEM_KINDS = (
    "message",
    "function_call",
    "function_call_output",
    "item_reference",
    "reasoning",
    "file_search_call",
)


def _item_kind(value: Any) -> str:
    if not isinstance(value, Mapping):
        kind = getattr(value, "type", None)
        return kind if kind in _ITEM_KINDS else "other"
    kind = value.get("type")
    if kind is None:
        return "item_reference" if "id" in value and "role" not in value else "message"
    return kind if kind in _ITEM_KINDS else "other"


InputItem = Annotated[
    Annotated[InputMessage, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionCallOutput, Tag("function_call_output")]
    | Annotated[ItemReference, Tag("item_reference")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[FileSearchCallItem, Tag("file_search_call")]
    | Annotated[OtherItem, Tag("other")],
    Discriminator(_item_kind),
]


class ResponseFunctionTool(LenientPart):
    """A function that the model may call; `parameters` is a JSON Schema of an object."""

    type: Literal["function"]
    name: FunctionName
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FileSearchTool(LenientPart):
    """Searches vector stores, or collections, for the last message of the user."""

    type: Literal["file_search"]
    vector_store_ids: Annotated[list[StoreId], Field(min_length=1, max_length=MAX_STORES)]
    filters: AttributeFilter | None = None
    max_num_results: MaxFound | None = None
    ranking_options: RankingOptions | None = None


class BuiltInTool(LenientPart):
    """A tool that runs on OpenAI's servers, or an MCP server."""

    type: str


def _tool_kind(value: Any) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    return kind if kind in ("function", "file_search") else "other"


ResponseTool = Annotated[
    Annotated[ResponseFunctionTool, Tag("function")]
    | Annotated[FileSearchTool, Tag("file_search")]
    | Annotated[BuiltInTool, Tag("other")],
    Discriminator(_tool_kind),
]


class ToolName(LenientPart):
    type: str = "function"
    name: Annotated[str, Field(max_length=MAX_ID)] | None = None


class AllowedTools(LenientPart):
    """Some of the tools, and whether one of them has to be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"] = "auto"
    tools: Annotated[list[ToolName], Field(min_length=1, max_length=MAX_TOOLS)]


ResponseToolChoice = Literal["none", "auto", "required"] | AllowedTools | ToolName


class TextFormat(LenientPart):
    """Text, any JSON object, or JSON by a schema."""

    model_config = ConfigDict(
        extra="ignore", strict=True, frozen=True, validate_by_name=True, validate_by_alias=True
    )

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Annotated[str, Field(min_length=1, max_length=64)] = "response"
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION)] | None = None
    definition: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None


class TextSettings(LenientPart):
    """`verbosity` is a hint that changes nothing."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ResponseCreate(LenientPart, TemplatedBody):
    """Body of `POST /v1/responses`."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        json_schema_extra={
            "example": {
                "model": "nano",
                "input": "Write an Instagram caption about a new coffee shop",
                "max_output_tokens": 64,
            }
        },
    )

    # field -> the values that ask for nothing, and why any other is refused
    refused: ClassVar[Mapping[str, tuple[tuple[Any, ...], str]]] = {
        "background": ((None, False), "responses are made while the request is open."),
        "conversation": ((None,), "continue a response by previous_response_id."),
        "moderation": ((None,), "responses are not moderated."),
    }

    model: RequestedModel = DEFAULT
    input: str | Annotated[list[InputItem], Field(min_length=1, max_length=MAX_MESSAGES)]
    instructions: str | None = None
    previous_response_id: ResponseId | None = None
    store: bool | None = True
    stream: bool | None = False
    max_output_tokens: Annotated[int, Field(ge=1, le=MAX_OUTPUT_TOKENS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False), FLOAT32] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), FLOAT32] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    tools: Annotated[list[ResponseTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ResponseToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    include: Annotated[list[str], Field(max_length=64)] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]],
            Field(max_length=MAX_METADATA),
        ]
        | None
    ) = None
    user: Annotated[str, Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, Field(max_length=512)] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    background: bool | None = None
    conversation: Any = None
    prompt: Annotated[
        ResponsePrompt | None,
        Field(description="With it, the input may be left out, and the model where it gives one."),
    ] = None
    moderation: Any = None

    @property
    def wants_logprobs(self) -> bool:
        return bool(self.top_logprobs) or "message.output_text.logprobs" in (self.include or ())

    def refuse_unsupported(self) -> None:
        """Raises UnsupportedParameter naming the first field that cannot be honoured."""
        for name in self.model_fields_set & self.refused.keys():
            unasked, why = self.refused[name]
            if getattr(self, name) not in unasked:
                raise UnsupportedParameter(name, why)


class TemplatedResponseCreate(ResponseCreate):
    """A response whose prompt gives messages."""

    input: str | Annotated[list[InputItem], Field(max_length=MAX_MESSAGES)] = []


ResponseCreate.templated = ("prompt", TemplatedResponseCreate)
