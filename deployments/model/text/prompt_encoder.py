"""A request's prompt as token ids, without holding up the event loop.

In: a GenerateRequest. Out: ids that leave room for an answer, or PromptTooLong. What cannot fit
the context is refused by its bytes, before any of it is tokenized, so the work of one request is
bounded by the context's length. Long work runs in a few threads of its own; a request whose
deadline passes while it waits for one of them leaves the line.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from cluster.runtime.problems import PromptTooLong
from deployments.contracts.generation import GenerateRequest
from deployments.model.queueing.ticket import QueueTicket
from deployments.model.text.tokenizer import Tokenizer

_LONG_TEXT = 2_048  # bytes: tokenizing more may take over 5 ms, and leaves the event loop
_MANY_MESSAGES = 32  # the same for a chat's template
_THREADS = 2


class PromptEncoder:
    """Close it to end its threads."""

    def __init__(self, tokenizer: Tokenizer, model: str, context_length: int) -> None:
        """`model` is the id that problems name."""
        self._tokenizer = tokenizer
        self._model = model
        self._limit = context_length
        self._threads = ThreadPoolExecutor(_THREADS, "tokenizer")

    async def encode(self, request: GenerateRequest, place: QueueTicket) -> tuple[int, ...]:
        """The prompt's ids, which its place is charged for.

        Raises PromptTooLong, and InvalidRequest where the chat template refuses the messages.
        """
        size = self._check_size(request)
        if size > _LONG_TEXT or len(request.messages) > _MANY_MESSAGES:
            loop = asyncio.get_running_loop()
            ids = await loop.run_in_executor(self._threads, self._encode, request)
        else:
            ids = self._encode(request)
        place.charge_prompt_tokens(len(ids))
        return ids

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check_size(self, request: GenerateRequest) -> int:
        """Bytes of the prompt's texts. Raises PromptTooLong for more than a whole context of the
        tokenizer's longest tokens stands for.
        """
        param, texts = "prompt", [request.prompt or ""]
        if request.prompt is None:
            param, texts = "messages", [message.content for message in request.messages]
        size = sum(len(text.encode()) for text in texts)
        most = self._limit * self._tokenizer.longest_token
        if size > most:
            raise PromptTooLong.by_size(self._model, size, most, self._limit, param)
        return size

    def _encode(self, request: GenerateRequest) -> tuple[int, ...]:
        """May run in a thread. Raises PromptTooLong before a list of too many ids is made."""
        if request.prompt is not None:
            ids, param = self._tokenizer.encode(request.prompt), "prompt"
        else:
            ids, param = self._tokenizer.encode_chat(request.messages), "messages"
        if len(ids) >= self._limit:
            raise PromptTooLong(self._model, len(ids), self._limit, param=param)
        return tuple(ids)
