"""The tool calls of an answer."""

from collections.abc import Iterable, Sequence
from itertools import chain

from deployments.contracts.generation import ToolCall, ToolCallDelta


def joined_calls(deltas: Iterable[Sequence[ToolCallDelta]]) -> tuple[ToolCall, ...]:
    """The calls that a choice's deltas make, in order."""
    calls: dict[int, ToolCallDelta] = {}
    parts: dict[int, list[str]] = {}
    for delta in chain.from_iterable(deltas):
        calls.setdefault(delta.index, delta)
        parts.setdefault(delta.index, []).append(delta.arguments)
    return tuple(
        [ToolCall(call.id, call.name, "".join(parts[index])) for index, call in calls.items()]
    )
