"""The messages of a chat as OpenAI's schema has them, the assistant's own messages included.

In: one message of a body. Out: a `Message`. A message that a client got from this server and sends
back is accepted as it is: null content, `refusal`, `annotations`, `audio`, `function_call`, and
`tool_calls` that are null or empty. A user's message may have pictures; recordings and files are
refused by name.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import Message, Role, ToolCall
from deployments.contracts.images import ImageDetail, ImageSource
from deployments.images.references import file_source, image_source

MAX_TOOL_CALLS = 128  # of one message
MAX_NAME = 64
MAX_CALLED_NAME = 256
MAX_ARGUMENTS = 65_536  # characters of one call's arguments

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TextPart(_Strict):
    """A piece of a message given as a list."""

    type: Literal["text"]
    text: str


class RefusalPart(_Strict):
    """A piece of an assistant's message that refuses."""

    type: Literal["refusal"]
    refusal: str


class ImageUrl(_Strict):
    """A picture: `url` is a data URL of base64 or one of https, `file_id` is one of your files.
    With the detail `low` models get it with 512 pixels at most."""

    url: str | None = None
    file_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    detail: ImageDetail | None = "auto"

    def source(self, param: str) -> ImageSource:
        """`param` names it. Raises InvalidRequest and ImageRefused."""
        detail = self.detail or "auto"
        if (self.url is None) == (self.file_id is None):
            raise InvalidRequest(f"{param}: has a url or a file_id.", param=param)
        if self.file_id is not None:
            return file_source(self.file_id, f"{param}.file_id", detail)
        return image_source(self.url or "", f"{param}.url", detail)


class ImagePart(_Strict):
    """A picture between pieces of text."""

    type: Literal["image_url"]
    image_url: ImageUrl


class MediaPart(BaseModel):
    """A recording or a file. Known, so that its refusal says so."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Literal["input_audio", "video_url", "file"]


Part = Annotated[TextPart | RefusalPart | ImagePart | MediaPart, Field(discriminator="type")]


class CalledFunction(_Strict):
    """The call of an earlier turn: its name is what a model wrote, whether a tool has it or not."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_CALLED_NAME)]
    arguments: Annotated[str, Field(max_length=MAX_ARGUMENTS)]


class MessageToolCall(_Strict):
    """A call that an assistant has asked for."""

    id: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["function"] = "function"
    function: CalledFunction
    # in messages that were put together from a stream
    index: Annotated[int, Field(ge=0, lt=MAX_TOOL_CALLS)] | None = None


class ChatMessage(_Strict):
    """One turn; `developer` means `system`, `function` is the older name of `tool`."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: Annotated[str, Field(max_length=MAX_NAME)] | None = None
    tool_calls: Annotated[list[MessageToolCall], Field(max_length=MAX_TOOL_CALLS)] | None = None
    tool_call_id: Annotated[str, Field(max_length=256)] | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    audio: dict[str, Any] | None = None
    function_call: CalledFunction | None = None

    def text(self, index: int) -> str:
        """The text; that of the parts of a content that is a list. Raises UnsupportedParameter for
        parts that are neither text nor pictures, and for pictures that are not of a user.
        """
        content = self.content
        if isinstance(content, str):
            return content
        if content is None:
            return self.refusal or ""
        texts = []
        for number, part in enumerate(content):
            name = f"messages.{index}.content.{number}"
            if isinstance(part, MediaPart):
                why = f"models here take text and pictures, no {part.type}."
                raise UnsupportedParameter(name, why)
            if isinstance(part, ImagePart):
                if self.role != "user":
                    raise UnsupportedParameter(name, "only a user's message has pictures.")
                continue
            texts.append(part.text if isinstance(part, TextPart) else part.refusal)
        return "".join(texts)

    def image_places(self) -> tuple[int, ...]:
        """For each picture the characters of text before it."""
        if not isinstance(self.content, list):
            return ()
        places: list[int] = []
        length = 0
        for part in self.content:
            if isinstance(part, ImagePart):
                places.append(length)
            elif not isinstance(part, MediaPart):
                length += len(part.text if isinstance(part, TextPart) else part.refusal)
        return tuple(places)

    def image_sources(self, index: int) -> list[ImageSource]:
        """The pictures. Raises InvalidRequest and ImageRefused, naming the part."""
        return [
            part.image_url.source(f"messages.{index}.content.{number}.image_url")
            for number, part in enumerate(self.content if isinstance(self.content, list) else ())
            if isinstance(part, ImagePart)
        ]

    def to_message(self, index: int) -> Message:
        """The turn. `index` is its place among the messages, for errors.

        Raises InvalidRequest: only an assistant's message may be without content or have calls, and
        a tool's message names its call.
        """
        calls = self._calls(index)
        if self.role != "assistant":
            if self.content is None and self.role != "function":
                raise _invalid(index, "content", f"a message of role {self.role} has content.")
            if calls:
                raise _invalid(index, "tool_calls", "only an assistant's message has calls.")
        if self.role == "tool" and not self.tool_call_id:
            raise _invalid(index, "tool_call_id", "the result of a tool names its call.")
        return Message(
            ROLES[self.role],
            self.text(index),
            calls,
            self.tool_call_id or "",
            self.name or "",
            self.image_places(),
        )

    def _calls(self, index: int) -> tuple[ToolCall, ...]:
        if self.function_call is not None:
            older = self.function_call
            return (ToolCall(f"call_{index}", older.name, older.arguments),)
        return tuple(
            [
                ToolCall(call.id, call.function.name, call.function.arguments)
                for call in self.tool_calls or ()
            ]
        )


def _invalid(index: int, field: str, why: str) -> InvalidRequest:
    name = f"messages.{index}.{field}"
    return InvalidRequest(f"{name}: {why}", param=name)
