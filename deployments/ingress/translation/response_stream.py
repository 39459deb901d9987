"""The events of a streamed response, as OpenAI's Responses API names and orders them.

In: the chunks of a chat, one choice. Out: events. What they add up to is the response that
`completed_response` makes of the same completion.
"""

from typing import Any

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Chunk, TokenUsage, ToolCallDelta
from deployments.ingress.translation.file_search import FileSearch, annotations_of, search_item
from deployments.ingress.translation.logprobs import token_logprobs
from deployments.ingress.translation.response_items import Item, call_item
from deployments.ingress.translation.responses import (
    ResponseHead,
    end_status,
    failed_response,
    message_item,
    response_object,
    text_part,
)

ResponseEvent = tuple[str, dict[str, Any]]


class ResponseStream:
    """Feed it chunks in order; then `close` it, and `finish` with the last event."""

    def __init__(self, head: ResponseHead) -> None:
        self._head = head
        self.search: FileSearch | None = None  # that was made before the first chunk
        self._model = head.body.model
        self._sequence = 0
        self._begun = False
        self._output: list[Item] = []
        self._open: Item | None = None  # the last of `_output`, while it grows
        self._pieces: list[str] = []  # of its text or arguments
        self._logprobs: list[dict[str, Any]] = []
        self._pending: list[dict[str, Any]] = []  # of text that is still to come
        self._call = -1  # index of the last call among the calls
        self._finish_reason = "stop"
        self._usage = TokenUsage()

    def add(self, chunk: Chunk) -> list[ResponseEvent]:
        """The events of one chunk; the first ones are `created` and `in_progress`."""
        self._model = chunk.model or self._model
        self._usage = chunk.usage or self._usage
        self._finish_reason = chunk.finish_reason or self._finish_reason
        events: list[ResponseEvent] = []
        if not self._begun:
            self._begun = True
            events += [self._event(f"response.{name}", response=self._in_progress())
                       for name in ("created", "in_progress")]  # fmt: skip
            if self.search is not None:
                events += self._add_search(self.search)
        if chunk.logprobs and self._call < 0:
            self._pending += token_logprobs(chunk.logprobs)
        text = chunk.text or chunk.refusal
        if text:
            events += self._add_text(text)
        for call in chunk.tool_calls:
            events += self._add_call(call)
        return events

    def close(self) -> list[ResponseEvent]:
        """The events that end the items."""
        events: list[ResponseEvent] = []
        if self._open is None:
            events += self._open_message()
        return events + self._close_item(end_status(self._finish_reason))

    def finish(self, head: ResponseHead, completed: float) -> ResponseEvent:
        """The last event. `head` says whether the response was stored; `completed` is Unix
        seconds.
        """
        status = end_status(self._finish_reason)
        return self._event(f"response.{status}", response=self.response(head, completed))

    def response(self, head: ResponseHead, completed: float) -> dict[str, Any]:
        """The response, once the stream is closed."""
        return response_object(
            head,
            self._model,
            self._output,
            status=end_status(self._finish_reason),
            usage=self._usage,
            completed=completed,
            finish_reason=self._finish_reason,
        )

    def _in_progress(self) -> dict[str, Any]:
        return response_object(self._head, self._model, (), status="in_progress")

    def _add_search(self, search: FileSearch) -> list[ResponseEvent]:
        """The events of a search that is done."""
        item = search_item(self._head.number, search)
        self._output.append(item)
        index = len(self._output) - 1
        begun = {**item, "status": "in_progress", "results": None}
        place = {"item_id": item["id"], "output_index": index}
        name = "response.file_search_call"
        return [
            self._event("response.output_item.added", output_index=index, item=begun),
            *(self._event(f"{name}.{state}", **place)
              for state in ("in_progress", "searching", "completed")),
            self._event("response.output_item.done", output_index=index, item={**item}),
        ]  # fmt: skip

    def _add_text(self, text: str) -> list[ResponseEvent]:
        events: list[ResponseEvent] = []
        if self._open is None or self._open["type"] != "message":
            events = self._close_item("completed") + self._open_message()
        self._pieces.append(text)
        brief = _brief(self._pending)
        self._logprobs += self._pending
        self._pending = []
        place, name = self._place(content_index=0), "response.output_text.delta"
        return [*events, self._event(name, **place, delta=text, logprobs=brief)]

    def _open_message(self) -> list[ResponseEvent]:
        self._open = message_item(f"msg_{self._head.number}_{len(self._output)}", "in_progress", [])
        added = self._add_item()
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        name = "response.content_part.added"
        return [added, self._event(name, **self._place(content_index=0), part=part)]

    def _add_call(self, call: ToolCallDelta) -> list[ResponseEvent]:
        events: list[ResponseEvent] = []
        if self._open is None or self._open["type"] == "message" or call.index != self._call:
            events += self._close_item("completed")
            id = f"fc_{self._head.number}_{len(self._output)}"
            self._open = call_item(id, call.id, call.name, "", "in_progress")
            self._call = call.index
            events.append(self._add_item())
        if call.arguments:
            self._pieces.append(call.arguments)
            name = "response.function_call_arguments.delta"
            events.append(self._event(name, **self._place(), delta=call.arguments))
        return events

    def _add_item(self) -> ResponseEvent:
        assert self._open is not None
        self._output.append(self._open)
        index = len(self._output) - 1
        return self._event("response.output_item.added", output_index=index, item={**self._open})

    def _close_item(self, status: str) -> list[ResponseEvent]:
        item, text = self._open, "".join(self._pieces)
        if item is None:
            return []
        events: list[ResponseEvent] = []
        if item["type"] == "message":
            logprobs, place = self._logprobs + self._pending, self._place(content_index=0)
            annotations = annotations_of(text, self.search)
            part = text_part(text, logprobs, annotations)
            item["content"] = [part]
            name = "response.output_text.annotation.added"
            events += [
                self._event(name, **place, annotation_index=number, annotation=annotation)
                for number, annotation in enumerate(annotations)
            ]
            done = {"text": text, "logprobs": _brief(logprobs)}
            events.append(self._event("response.output_text.done", **place, **done))
            events.append(self._event("response.content_part.done", **place, part=part))
        else:
            item["arguments"] = text
            name = "response.function_call_arguments.done"
            done = {"name": item["name"], "arguments": text}
            events.append(self._event(name, **self._place(), **done))
        item["status"] = status
        index = len(self._output) - 1
        events.append(self._event("response.output_item.done", output_index=index, item={**item}))
        self._open, self._pieces, self._logprobs, self._pending = None, [], [], []
        return events

    def _place(self, **more: int) -> dict[str, Any]:
        assert self._open is not None
        return {"item_id": self._open["id"], "output_index": len(self._output) - 1, **more}

    def _event(self, type: str, **members: Any) -> ResponseEvent:
        event = {"type": type, "sequence_number": self._sequence, **members}
        self._sequence += 1
        return type, event


def failed_response_event(
    problem: Problem, first: tuple[str | None, Any], last: tuple[str | None, Any]
) -> tuple[str | None, Any]:
    """The event that ends a stream which has failed after its event `last`; `first` is
    `response.created`.
    """
    name = "response.failed"
    return name, {
        "type": name,
        "sequence_number": last[1]["sequence_number"] + 1,
        "response": failed_response(first[1]["response"], problem),
    }


def _brief(logprobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As the events of text have them: without bytes."""
    return [
        {
            "token": each["token"],
            "logprob": each["logprob"],
            "top_logprobs": [
                {"token": other["token"], "logprob": other["logprob"]}
                for other in each["top_logprobs"]
            ],
        }
        for each in logprobs
    ]
