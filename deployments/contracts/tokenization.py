"""Text to the token ids of a model and back, as it crosses stages."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller
from deployments.contracts.generation import Message, ToolSettings


@version_tolerant
@dataclass(frozen=True, slots=True)
class TokenizeRequest:
    """A raw `prompt`, or `messages` (text models alone), which become the model's chat prompt, with
    the tools of `tool_settings`.

    `special`: with the tokens that the model puts around a prompt. `named`: also the token of each
    id as text. `timeout_s` is the rest of the caller's deadline at the time of sending.
    """

    request_id: str
    caller: Caller
    model: str
    prompt: str | None = None
    messages: tuple[Message, ...] = ()
    special: bool = True
    named: bool = False
    timeout_s: float = 60.0
    tool_settings: ToolSettings | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class Tokenization:
    """`names[i]` is the token of `ids[i]` in the vocabulary, where they were asked for. `limit` is
    the most tokens that the model takes."""

    ids: tuple[int, ...]
    limit: int
    model: str
    names: tuple[str, ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class DetokenizeRequest:
    """The ids of which the text is wanted."""

    request_id: str
    caller: Caller
    model: str
    ids: tuple[int, ...]
    timeout_s: float = 60.0


@version_tolerant
@dataclass(frozen=True, slots=True)
class Detokenization:
    """`text` has the names of special tokens."""

    text: str
    model: str


@runtime_checkable
class TokenizingModel(Protocol):
    """A model whose tokenizer can be used. Both raise InvalidRequest, which names the field."""

    async def tokenize(self, request: TokenizeRequest) -> Tokenization: ...

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization: ...
