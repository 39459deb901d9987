"""The events of a streamed message, as Anthropic's Messages API names and orders them.

In: the chunks of a chat, one choice. Out: events. What they add up to is the message that
`completed_message` makes of the same completion.
"""

from typing import Any

from deployments.contracts.generation import Chunk, TokenUsage, ToolCallDelta
from deployments.ingress.translation.messages import message_end, message_object, usage_body

MessageEvent = tuple[str, dict[str, Any]]
_NOT_ENDED = {"stop_reason": None, "stop_sequence": None}


class MessageStream:
    """Feed it chunks in order, then `close` it. `model` is the requested one."""

    def __init__(self, id: str, model: str) -> None:
        self._id = id
        self._model = model
        self._begun = False
        self._blocks = 0
        self._open = ""  # the type of the last block, while it grows
        self._call = -1  # index of the last call among the calls
        self._finish_reason = "stop"
        self._stop = ""
        self._usage = TokenUsage()

    def add(self, chunk: Chunk) -> list[MessageEvent]:
        """The events of one chunk; the first one is `message_start`."""
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._stop = chunk.stop or self._stop
        events: list[MessageEvent] = []
        if not self._begun:
            self._begun = True
            usage = chunk.usage or TokenUsage(chunk.prompt_tokens)
            counted = TokenUsage(usage.prompt_tokens, 0, usage.cached_tokens)
            message = message_object(self._id, self._model, (), counted, _NOT_ENDED)
            events += [_event("message_start", message=message), _event("ping")]
        text = chunk.text or chunk.refusal
        if text:
            if self._open != "text":
                events += self._close_block() + self._open_block({"type": "text", "text": ""})
            events.append(self._delta(type="text_delta", text=text))
        for call in chunk.tool_calls:
            events += self._add_call(call)
        return events

    def close(self) -> list[MessageEvent]:
        """The events that end the message."""
        delta = message_end(self._finish_reason, self._stop)
        return [
            *self._close_block(),
            _event("message_delta", delta=delta, usage=usage_body(self._usage)),
            _event("message_stop"),
        ]

    def _add_call(self, call: ToolCallDelta) -> list[MessageEvent]:
        events: list[MessageEvent] = []
        if self._open != "tool_use" or call.index != self._call:
            self._call = call.index
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            events += self._close_block() + self._open_block(block)
        if call.arguments:
            events.append(self._delta(type="input_json_delta", partial_json=call.arguments))
        return events

    def _open_block(self, block: dict[str, Any]) -> list[MessageEvent]:
        self._open = block["type"]
        return [_event("content_block_start", index=self._blocks, content_block=block)]

    def _close_block(self) -> list[MessageEvent]:
        if not self._open:
            return []
        self._open, index = "", self._blocks
        self._blocks += 1
        return [_event("content_block_stop", index=index)]

    def _delta(self, **delta: str) -> MessageEvent:
        return _event("content_block_delta", index=self._blocks, delta=delta)


def _event(type: str, **members: Any) -> MessageEvent:
    return type, {"type": type, **members}
