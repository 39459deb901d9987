"""Text to token ids and back, without a model's files.

In: prompts, and ids as they are generated. Out: ids that leave room for a response, and text that
never splits a character: the texts of all batches, joined, equal the decoding of all ids at once.
`ByteTokenizer` is echo's: one id a byte. hf_tokenizer.py reads a model's tokenizer.
"""

import asyncio
import codecs
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from cluster.runtime.problems import InvalidRequest, PromptTooLong, UnsupportedParameter
from deployments.contracts.generation import GenerateRequest, Message, ToolSettings, uses_tools
from deployments.model.text.tools.formats import JSON, ToolFormat
from deployments.model.text.tools.rendering import plain_messages

A = TypeVar("A")
R = TypeVar("R")

_LONG_TEXT = 2_048  # bytes: tokenizing more may take over 5 ms, and leaves the event loop
_MANY_MESSAGES = 32  # the same for a chat's template
_THREADS = 2


class Detokenizer(Protocol):
    """One sequence's text so far; O(1) amortised a token."""

    def push(self, ids: Sequence[int]) -> str:
        """The complete characters that `ids` ended."""
        ...

    def flush(self) -> str:
        """The rest at the end: U+FFFD for an unfinished character, else nothing."""
        ...


class Ids(Protocol):
    """Token ids that may not be Python objects yet: only their number is cheap."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[int]: ...


class Tokenizer(Protocol):
    """A text model's tokenizer. Ids of special tokens never become text, except for the marks of
    `tool_format` where they are to be kept.

    `longest_token` is the most bytes of UTF-8 text that one token stands for. Texts above
    `longest_token` times a context's length are refused before they are tokenized. Ids are below
    `size`. `tool_format` is how the model calls tools; None: it calls none.
    """

    eos_ids: frozenset[int]
    longest_token: int
    tool_format: ToolFormat | None
    size: int

    def ids(self, text: str, *, special: bool) -> Sequence[int]:
        """The ids of a text, with or without the tokens that the model puts around it."""
        ...

    def name(self, token: int) -> str:
        """The token in the vocabulary."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, with the names of special tokens."""
        ...

    def encode(self, text: str) -> Ids:
        """A raw prompt's ids, with the model's own opening token; never empty."""
        ...

    def encode_chat(self, messages: Sequence[Message]) -> Ids:
        """A chat's ids, ready for the assistant's turn. Raises InvalidRequest from the template."""
        ...

    def image_chat(self, messages: Sequence[Message]) -> str:
        """A chat's text with a placeholder for each picture, ready for the assistant's turn. Raises
        InvalidRequest from the template."""
        ...

    def encode_tool_chat(self, messages: Sequence[Message], tools: ToolSettings | None) -> Ids:
        """The same of a chat in which tools may be called, or have been; where a call is forced,
        ready for what follows its mark. Raises InvalidRequest from the template.
        """
        ...

    def detokenizer(self, *, keep_marks: bool = False) -> Detokenizer: ...

    def token_bytes(self, token: int) -> bytes:
        """The exact bytes that one token stands for (a special token: its name)."""
        ...


class ByteTokenizer:
    """UTF-8 bytes as ids 0-255, and four role marks. A chat is USER content END ... ASSISTANT."""

    END, SYSTEM, USER, ASSISTANT = 256, 257, 258, 259
    eos_ids = frozenset({END})
    longest_token = 1
    tool_format: ToolFormat | None = JSON
    size = 260

    def ids(self, text: str, *, special: bool) -> list[int]:
        return list(text.encode())

    def name(self, token: int) -> str:
        return self.token_bytes(token).decode("latin-1")

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(map(self.token_bytes, ids)).decode(errors="replace")

    def encode(self, text: str) -> list[int]:
        return list(text.encode()) or [self.END]

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        ids: list[int] = []
        for message in messages:
            ids += (_MARKS[message.role], *message.content.encode(), self.END)
        ids.append(self.ASSISTANT)
        return ids

    def image_chat(self, messages: Sequence[Message]) -> str:
        """It has no placeholders: no engine with these tokens takes pictures."""
        return "".join([message.content for message in messages])

    def encode_tool_chat(
        self, messages: Sequence[Message], tools: ToolSettings | None
    ) -> list[int]:
        format = self.tool_format or JSON
        plain = plain_messages(messages, tools, format, str)
        ids = self.encode_chat([Message(each["role"], each["content"]) for each in plain])
        if tools is not None and tools.mode == "required":
            ids += format.mark.encode()
        return ids

    def detokenizer(self, *, keep_marks: bool = False) -> Detokenizer:
        return ByteDetokenizer(self.token_bytes, frozenset(), self._join)

    def token_bytes(self, token: int) -> bytes:
        return bytes((token,)) if token < 256 else b"<%d>" % token

    def _join(self, ids: Sequence[int]) -> bytes:
        try:
            return bytes(ids)
        except ValueError:  # role marks are no text
            return bytes(token for token in ids if token < 256)


_MARKS = {
    "system": ByteTokenizer.SYSTEM,
    "user": ByteTokenizer.USER,
    "assistant": ByteTokenizer.ASSISTANT,
    "tool": ByteTokenizer.USER,
}


class ByteDetokenizer:
    """For tokenizers whose tokens are byte strings (byte-level BPE).

    Joins the bytes and decodes UTF-8 incrementally. `join` gives the bytes of several ids at once,
    where a tokenizer has a faster way than one by one.
    """

    def __init__(
        self,
        token_bytes: Callable[[int], bytes],
        skip: Collection[int],
        join: Callable[[Sequence[int]], bytes] | None = None,
    ) -> None:
        self._token_bytes = token_bytes
        self._skip = skip
        self._join = join or self._join_tokens
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, ids: Sequence[int]) -> str:
        return self._utf8.decode(self._join(ids))

    def flush(self) -> str:
        return self._utf8.decode(b"", final=True)

    def _join_tokens(self, ids: Sequence[int]) -> bytes:
        return b"".join([self._token_bytes(token) for token in ids if token not in self._skip])


class WindowDetokenizer:
    """For any tokenizer (sentencepiece style, WordPiece).

    Decodes a short window twice and takes the difference. A token's text may depend on the token
    before it (leading spaces), so the window starts one batch back. The prefix-offset algorithm of
    text-generation-inference (server/text_generation_server/models/model.py, `decode_token`) and of
    vLLM. A character has at most 4 bytes, so U+FFFD that remains after `_PATIENCE` tokens is the
    model's own output and is emitted. Tokens without text (special ones) leave the window after as
    many, so that the length of a window is bounded whatever a model generates.
    """

    _PATIENCE = 16

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._window: list[int] = []
        self._read = 0

    def push(self, ids: Sequence[int]) -> str:
        text = ""
        for token in ids:
            text += self._step(token)
        return text

    def flush(self) -> str:
        return self._decode(self._window)[len(self._before()) :]

    def _step(self, token: int) -> str:
        self._window.append(token)
        text, before = self._decode(self._window), self._before()
        recent = len(self._window) - self._read < self._PATIENCE
        if recent and (len(text) <= len(before) or text.endswith("\ufffd")):
            return ""
        if len(text) <= len(before):
            del self._window[self._read :]
            return ""
        self._window = self._window[self._read :]
        self._read = len(self._window)
        return text[len(before) :]

    def _before(self) -> str:
        return self._decode(self._window[: self._read])


class MarkedDetokenizer:
    """For special tokens that are to become text: their names, between the texts of the others."""

    def __init__(self, marks: Mapping[int, str], detokenizer: Callable[[], Detokenizer]) -> None:
        """`marks` are their names by id; `detokenizer` makes one for the ids up to the next."""
        self._marks = marks
        self._make = detokenizer
        self._between = detokenizer()

    def push(self, ids: Sequence[int]) -> str:
        text, start = "", 0
        for at, token in enumerate(ids):
            if token in self._marks:
                text += self._between.push(ids[start:at]) + self._between.flush()
                text += self._marks[token]
                self._between, start = self._make(), at + 1
        return text + self._between.push(ids[start:])

    def flush(self) -> str:
        return self._between.flush()


def encode_messages(
    tokenizer: Tokenizer, model: str, messages: Sequence[Message], tools: ToolSettings | None
) -> tuple[int, ...]:
    """A chat's prompt, however long. `model` is named in refusals.

    Raises UnsupportedParameter for tools of a model that calls none.
    """
    if tools is not None and tokenizer.tool_format is None:
        raise UnsupportedParameter("tools", f"model '{model}' calls no tools.")
    if uses_tools(messages, tools):
        return tuple(tokenizer.encode_tool_chat(messages, tools))
    return tuple(tokenizer.encode_chat(messages))


class PromptEncoder:
    """Tokenizes prompts without blocking the event loop. Close it to end its threads.

    A prompt that cannot fit the context is refused by its bytes, before any of it is tokenized, so
    the context's length bounds the work of one request. Long work runs in a few threads of its
    own; a request whose deadline passes while it waits for one of them leaves the queue.
    """

    def __init__(self, tokenizer: Tokenizer, model: str, context_length: int) -> None:
        """`model` is the id that problems name."""
        self._tokenizer = tokenizer
        self._model = model
        self._context_length = context_length
        self._max_bytes = context_length * tokenizer.longest_token
        self._threads = ThreadPoolExecutor(_THREADS, "tokenizer")

    async def encode(self, request: GenerateRequest) -> tuple[int, ...]:
        """The prompt's ids.

        Raises PromptTooLong, and InvalidRequest where the chat template refuses the messages, and
        for ids that the model does not have.
        """
        if request.prompt_ids:
            return self._checked_ids(request.prompt_ids)
        if request.prompt is not None:
            param, size = "prompt", len(request.prompt.encode())
        else:
            param = "messages"
            size = sum([len(message.content.encode()) for message in request.messages])
        if with_tools := uses_tools(request.messages, request.tool_settings):
            size += request.tool_bytes
        if size > self._max_bytes:
            raise PromptTooLong.by_size(
                self._model, size, self._max_bytes, self._context_length, param
            )
        if size <= _LONG_TEXT and len(request.messages) <= _MANY_MESSAGES:
            return self._tokenize(request, param, with_tools)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._tokenize, request, param, with_tools)

    async def run(self, work: Callable[[A], R], argument: A, /) -> R:
        """`work(argument)` in one of the threads; it may wait for one."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, argument)

    def _checked_ids(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """The ids of a caller. Raises PromptTooLong and InvalidRequest."""
        if len(ids) >= self._context_length:
            raise PromptTooLong(self._model, len(ids), self._context_length, param="prompt")
        size = self._tokenizer.size
        unknown = next((token for token in ids if not 0 <= token < size), None)
        if unknown is not None:
            raise InvalidRequest(
                f"prompt: model '{self._model}' has {size} tokens, none of them is {unknown}.",
                param="prompt",
            )
        return ids

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _tokenize(self, request: GenerateRequest, param: str, with_tools: bool) -> tuple[int, ...]:
        """May run in a thread. Raises PromptTooLong before a list of too many ids is made."""
        if request.prompt is not None:
            ids = self._tokenizer.encode(request.prompt)
        elif with_tools:
            ids = self._tokenizer.encode_tool_chat(request.messages, request.tool_settings)
        else:
            ids = self._tokenizer.encode_chat(request.messages)
        if len(ids) >= self._context_length:
            raise PromptTooLong(self._model, len(ids), self._context_length, param=param)
        return tuple(ids)
