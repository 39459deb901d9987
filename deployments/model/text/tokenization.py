"""A model's tokenizer for callers: text to ids and back, off the event loop.

In: TokenizeRequests, DetokenizeRequests, whose size the ingress has bounded. Out: ids, text. Its
thread is its own, so that prompts of generations do not wait for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import Message, ToolSettings
from deployments.contracts.tokenization import (
    Detokenization,
    DetokenizeRequest,
    Tokenization,
    TokenizeRequest,
)

T = TypeVar("T")
R = TypeVar("R")
EncodeChat = Callable[[Sequence[Message], ToolSettings | None], Sequence[int]]


class Vocabulary(Protocol):
    """What is needed of a tokenizer. `size` is the number of ids, from 0."""

    @property
    def size(self) -> int: ...

    def ids(self, text: str, *, special: bool) -> Sequence[int]: ...

    def name(self, token: int) -> str: ...

    def decode(self, ids: Sequence[int]) -> str:
        """With the names of special tokens."""
        ...


class TokenizationService:
    """Of one model. Close it to end its thread."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        model: str,
        limit: int,
        encode_chat: EncodeChat | None = None,
    ) -> None:
        """`limit` is the most tokens that the model takes; `encode_chat` makes a chat's prompt
        (None: the model has no chats)."""
        self._vocabulary = vocabulary
        self._model = model
        self._limit = limit
        self._encode_chat = encode_chat
        self._thread = ThreadPoolExecutor(1, "tokenization")

    async def tokenize(self, request: TokenizeRequest) -> Tokenization:
        """Raises UnsupportedParameter for messages to a model without chats and tools of one that
        calls none, InvalidRequest from the chat template."""
        if request.messages and self._encode_chat is None:
            raise UnsupportedParameter("messages", f"'{self._model}' has no chats; send `prompt`.")
        return await self._run(self._tokenize, request, request.timeout_s)

    async def detokenize(self, request: DetokenizeRequest) -> Detokenization:
        """Raises InvalidRequest for an id that the vocabulary does not have."""
        check_ids(request.ids, self._vocabulary.size, "tokens", self._model)
        return await self._run(self._detokenize, request, request.timeout_s)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _tokenize(self, request: TokenizeRequest) -> Tokenization:
        vocabulary = self._vocabulary
        if request.messages and self._encode_chat is not None:
            ids = tuple(self._encode_chat(request.messages, request.tool_settings))
        else:
            ids = tuple(vocabulary.ids(request.prompt or "", special=request.special))
        names = tuple(map(vocabulary.name, ids)) if request.named else ()
        return Tokenization(ids, self._limit, self._model, names)

    def _detokenize(self, request: DetokenizeRequest) -> Detokenization:
        return Detokenization(self._vocabulary.decode(request.ids), self._model)

    async def _run(self, work: Callable[[T], R], request: T, timeout_s: float) -> R:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                return await loop.run_in_executor(self._thread, work, request)
        except TimeoutError as error:
            raise DeadlineExceeded(self._model, round(timeout_s, 3)) from error


def check_ids(ids: Sequence[int], size: int, param: str, model: str) -> None:
    """Raises InvalidRequest for an id outside a vocabulary of `size` tokens."""
    for at, token in enumerate(ids):
        if token >= size:
            raise InvalidRequest(
                f"{param}.{at} is token {token}; the vocabulary of model '{model}' has {size} "
                "tokens, 0 and up. Ids of another tokenizer have another meaning: send text.",
                param=f"{param}.{at}",
                token=token,
                limit=size - 1,
            )
