"""The events of Anthropic's stream as chunks. Pure.

In: events in their order. Out: chunks of one choice; the last has the finish reason and the usage.
The prompt's tokens come with the first event, those of the output with the last ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from deployments.contracts.generation import (
    Chunk,
    FinishReason,
    GenerateRequest,
    ToolCallDelta,
)
from deployments.providers.anthropic.request import (
    AnthropicOptions,
    output_limit,
    uses_format_tool,
)
from deployments.providers.anthropic.response import (
    message_usage,
    read_error,
    read_finish,
    read_object,
    read_refusal,
    text_of,
)
from deployments.providers.errors import reported_problem, unreadable
from deployments.providers.usage import estimated_tokens, prompt_bytes

MAX_CALLS = 256  # of one answer
_BYTES_OF_TOKEN, _MORE_BYTES = 128, 65_536  # the most text of an answer: its tokens are longer


@dataclass(slots=True)
class _CallBlock:
    """A block of a tool's call; `number` is the call's among the calls of the answer."""

    number: int
    has_arguments: bool = False


class MessageDecoder:
    """Implements `StreamDecoder`."""

    def __init__(self, request: GenerateRequest, options: AnthropicOptions) -> None:
        self.ended = False
        self._model = options.model
        self._request = request
        self._as_text = uses_format_tool(request, options)
        self._held: list[str] = []  # text beside the tool whose arguments are the text
        self._options = options
        limit = output_limit(options, request.sampling.max_tokens)
        self._most_bytes = _BYTES_OF_TOKEN * limit + _MORE_BYTES
        self._bytes = 0
        self._open: dict[int, _CallBlock] = {}
        self._calls = 0
        self._usage: dict[str, Any] = {}
        self._finish: FinishReason | None = None
        self._stop = ""
        self._refusal = ""
        self._is_first = True
        self._handlers: Mapping[str, Callable[[dict[str, Any]], Sequence[Chunk]]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
        }

    def feed(self, event: str, data: bytes) -> Sequence[Chunk]:
        if self.ended:
            return ()
        values = read_object(data, self._model)
        kind = text_of(values, "type") or event
        if kind == "error" or "error" in values:
            raise reported_problem(self._model, read_error(values))
        handler = self._handlers.get(kind)
        return () if handler is None else handler(values)  # `ping`, and what comes in later years

    def finish(self) -> Sequence[Chunk]:
        if self._finish is None:
            raise unreadable(self._model, "ended its answer early")
        usage = message_usage(self._request, self._usage, self._options, self._bytes)
        finish = "stop" if self._as_text and self._finish == "tool_calls" else self._finish
        text = "" if self._calls else "".join(self._held)
        return [
            Chunk(0, text, finish, usage=usage, stop=self._stop, refusal=self._refusal,
                  prompt_tokens=self._prompt_tokens())
        ]  # fmt: skip

    def _message_start(self, values: dict[str, Any]) -> Sequence[Chunk]:
        message = values.get("message")
        if isinstance(message, dict):
            self._note_usage(message.get("usage"))
        return ()

    def _block_start(self, values: dict[str, Any]) -> Sequence[Chunk]:
        block = values.get("content_block")
        if not isinstance(block, dict):
            return ()
        kind = block.get("type")
        if kind == "text":
            return self._text(text_of(block, "text"))
        if kind == "thinking":
            return self._reasoning(text_of(block, "thinking"))
        if kind == "tool_use":
            return self._call_start(values.get("index"), block)
        return ()

    def _call_start(self, index: Any, block: dict[str, Any]) -> Sequence[Chunk]:
        name = text_of(block, "name")
        if not name or not isinstance(index, int) or self._calls >= MAX_CALLS:
            raise unreadable(self._model, "called a tool without a name or a place")
        call = self._open[index] = _CallBlock(self._calls)
        self._calls += 1
        self._spend(name)
        chunks: list[Chunk] = []
        if not self._as_text:
            delta = ToolCallDelta(call.number, text_of(block, "id"), name)
            chunks.append(self._chunk("", tool_calls=(delta,)))
        if values := block.get("input"):
            text = values if isinstance(values, str) else msgspec.json.encode(values).decode()
            chunks += self._arguments(call, text)
        return chunks

    def _block_delta(self, values: dict[str, Any]) -> Sequence[Chunk]:
        delta = values.get("delta")
        if not isinstance(delta, dict):
            return ()
        kind = delta.get("type")
        if kind == "text_delta":
            return self._text(text_of(delta, "text"))
        if kind == "thinking_delta":
            return self._reasoning(text_of(delta, "thinking"))
        if kind == "input_json_delta":
            index = values.get("index")
            call = self._open.get(index) if isinstance(index, int) else None
            if call is None:
                raise unreadable(self._model, "sent arguments of no call")
            return self._arguments(call, text_of(delta, "partial_json"))
        return ()

    def _block_stop(self, values: dict[str, Any]) -> Sequence[Chunk]:
        """A call without arguments has an empty object of them."""
        index = values.get("index")
        call = self._open.pop(index, None) if isinstance(index, int) else None
        if call is None or call.has_arguments:
            return ()
        return self._arguments(call, "{}")

    def _message_delta(self, values: dict[str, Any]) -> Sequence[Chunk]:
        self._note_usage(values.get("usage"))
        delta = values.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason") is not None:
            self._finish, self._stop = read_finish(delta, has_calls=self._calls > 0)
            self._refusal = read_refusal(delta, self._finish)
        return ()

    def _message_stop(self, values: dict[str, Any]) -> Sequence[Chunk]:
        self.ended = True
        return ()

    def _text(self, text: str) -> Sequence[Chunk]:
        if not text:
            return ()
        tokens = self._spend(text)
        if self._as_text:
            self._held.append(text)
            return ()
        return (self._chunk(text, tokens=tokens),)

    def _reasoning(self, text: str) -> Sequence[Chunk]:
        return (self._chunk("", tokens=self._spend(text), reasoning=text),) if text else ()

    def _arguments(self, call: _CallBlock, text: str) -> Sequence[Chunk]:
        if not text:
            return ()
        call.has_arguments = True
        tokens = self._spend(text)
        if self._as_text:
            return (self._chunk(text, tokens=tokens),) if call.number == 0 else ()
        delta = ToolCallDelta(call.number, arguments=text)
        return (self._chunk("", tokens=tokens, tool_calls=(delta,)),)

    def _chunk(self, text: str, **fields: Any) -> Chunk:
        return Chunk(0, text, prompt_tokens=self._prompt_tokens(), **fields)

    def _prompt_tokens(self) -> int:
        """Of the stream's first chunk; 0 for the others."""
        if not self._is_first:
            return 0
        self._is_first = False
        return estimated_tokens(prompt_bytes(self._request))

    def _spend(self, text: str) -> int:
        """The estimated tokens of a piece. Raises UpstreamFailed for more text than was asked."""
        size = len(text.encode())
        self._bytes += size
        if self._bytes > self._most_bytes:
            raise unreadable(self._model, "sent more text than was asked for")
        return estimated_tokens(size)

    def _note_usage(self, usage: Any) -> None:
        """Counts are totals so far; an event names some of them."""
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if count is not None}
