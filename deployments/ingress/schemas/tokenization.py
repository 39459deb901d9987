"""What callers may send to `/tokenize` and `/detokenize`, in vLLM's shape, and the answers."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from cluster.runtime.problems import InvalidRequest
from deployments.contracts.generation import Message, Role
from deployments.ingress.schemas.embeddings import ApiResponse, TokenId

MAX_CHARS = 262_144  # of a prompt, or of all messages
MAX_MESSAGES = 1_000
MAX_TOKENS = 9_900  # a JSON body has at most 10,000 values

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class _StrictBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TokenizedPart(_StrictBody):
    """A piece of a message given as a list."""

    type: Literal["text"]
    text: str


class TokenizedMessage(_StrictBody):
    """One turn of a chat; `developer` means `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[TokenizedPart], Field(min_length=1)]

    def message(self) -> Message:
        content = self.content
        text = content if isinstance(content, str) else "".join(part.text for part in content)
        return Message(_ROLES[self.role], text)


class TokenizeBody(_StrictBody):
    """Body of `POST /tokenize`: a `prompt`, or the `messages` of a chat.

    `add_special_tokens`: with the tokens that the model puts around a prompt; a chat has its own.
    `return_token_strs`: also the token of each id in the vocabulary.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": "nano", "prompt": "Good coffee is"}}
    )

    model: Annotated[str, Field(min_length=1, max_length=100, examples=["nano"])]
    prompt: Annotated[str, Field(max_length=MAX_CHARS)] | None = None
    messages: (
        Annotated[list[TokenizedMessage], Field(min_length=1, max_length=MAX_MESSAGES)] | None
    ) = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = False

    def check(self) -> Self:
        """Raises InvalidRequest unless it has one prompt or chat, of at most MAX_CHARS."""
        if (self.prompt is None) == (self.messages is None):
            raise InvalidRequest("Send either 'prompt' or 'messages'.", param="prompt")
        size = sum(len(message.content) for message in self.chat())
        if size > MAX_CHARS:
            raise InvalidRequest(
                f"messages have {size} characters; at most {MAX_CHARS} are tokenized.",
                param="messages",
                limit=MAX_CHARS,
            )
        return self

    def chat(self) -> tuple[Message, ...]:
        return tuple(each.message() for each in self.messages or ())

    def texts(self) -> tuple[str, ...]:
        """What is tokenized, without what a template adds."""
        chat = tuple(message.content for message in self.chat())
        return chat if self.prompt is None else (self.prompt,)


class TokenizeResponse(ApiResponse):
    """Answer of `POST /tokenize`. `max_model_len` is the most tokens that the model takes."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class DetokenizeBody(_StrictBody):
    """Body of `POST /detokenize`."""

    model_config = ConfigDict(json_schema_extra={"example": {"model": "nano", "tokens": [72, 105]}})

    model: Annotated[str, Field(min_length=1, max_length=100, examples=["nano"])]
    tokens: Annotated[list[TokenId], Field(max_length=MAX_TOKENS)]


class DetokenizeResponse(ApiResponse):
    """Answer of `POST /detokenize`: the text, with the names of special tokens."""

    prompt: str
