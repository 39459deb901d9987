"""Conversations of any shape, and each as the three APIs say it."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from deployments.contracts.generation import TokenUsage
from tests.api.translation.scripted import Script

Call = tuple[str, str, dict[str, Any]]  # id, name, arguments


@dataclass(frozen=True)
class Turn:
    """A user's or the assistant's turn; one with calls is followed by their `results`."""

    role: str
    text: str
    calls: tuple[Call, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """`choice` is none, auto, required or a tool's name."""

    system: str | None
    turns: tuple[Turn, ...]
    tools: tuple[str, ...]
    choice: str
    parallel: bool
    max_tokens: int
    temperature: float | None
    top_p: float | None


def chat_body(said: Conversation) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if said.system:
        messages.append({"role": "system", "content": said.system})
    for turn in said.turns:
        message: dict[str, Any] = {"role": turn.role, "content": turn.text}
        if turn.calls:
            message["content"] = turn.text or None
            message["tool_calls"] = [
                {
                    "id": id,
                    "type": "function",
                    "function": {"name": name, "arguments": _text(given)},
                }
                for id, name, given in turn.calls
            ]
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": call[0], "content": result}
            for call, result in zip(turn.calls, turn.results, strict=True)
        ]
    body = {"model": "words", "messages": messages, "max_completion_tokens": said.max_tokens}
    if said.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "parameters": _schema(name)}}
            for name in said.tools
        ]
        named = {"type": "function", "function": {"name": said.choice}}
        body["tool_choice"] = said.choice if said.choice in _MODES else named
        body["parallel_tool_calls"] = said.parallel
    return body | _sampling(said)


def response_body(said: Conversation) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for turn in said.turns:
        if turn.text or not turn.calls:
            kind = "output_text" if turn.role == "assistant" else "input_text"
            parts = [{"type": kind, "text": piece} for piece in _pieces(turn.text)]
            items.append({"type": "message", "role": turn.role, "content": parts})
        items += [
            {"type": "function_call", "call_id": id, "name": name, "arguments": _text(given)}
            for id, name, given in turn.calls
        ]
        items += [
            {"type": "function_call_output", "call_id": call[0], "output": result}
            for call, result in zip(turn.calls, turn.results, strict=True)
        ]
    body = {"model": "words", "input": items, "max_output_tokens": said.max_tokens, "store": False}
    if said.system:
        body["instructions"] = said.system
    if said.tools:
        body["tools"] = [
            {"type": "function", "name": name, "parameters": _schema(name)} for name in said.tools
        ]
        named = {"type": "function", "name": said.choice}
        body["tool_choice"] = said.choice if said.choice in _MODES else named
        body["parallel_tool_calls"] = said.parallel
    return body | _sampling(said)


def message_body(said: Conversation) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    for turn in said.turns:
        blocks: list[dict[str, Any]] = []
        if turn.text or not turn.calls:
            blocks += [{"type": "text", "text": piece} for piece in _pieces(turn.text)]
        blocks += [
            {"type": "tool_use", "id": id, "name": name, "input": given}
            for id, name, given in turn.calls
        ]
        turns.append({"role": turn.role, "content": blocks})
        if turn.results:
            results = [
                {"type": "tool_result", "tool_use_id": call[0], "content": result}
                for call, result in zip(turn.calls, turn.results, strict=True)
            ]
            turns.append({"role": "user", "content": results})
    body = {"model": "words", "messages": turns, "max_tokens": said.max_tokens}
    if said.system:
        body["system"] = [{"type": "text", "text": piece} for piece in _pieces(said.system)]
    if said.tools:
        body["tools"] = [{"name": name, "input_schema": _schema(name)} for name in said.tools]
        choice: dict[str, Any] = {"type": "any" if said.choice == "required" else said.choice}
        if said.choice not in _MODES:
            choice = {"type": "tool", "name": said.choice}
        choice["disable_parallel_tool_use"] = not said.parallel
        body["tool_choice"] = choice
    return body | _sampling(said)


_MODES = ("none", "auto", "required")
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_ids = st.from_regex(r"call_[a-z0-9]{4}", fullmatch=True)
_names = st.sampled_from(("weather", "add", "find-place"))
_values = st.dictionaries(
    st.sampled_from("abc"), st.one_of(st.integers(-9, 9), _texts, st.booleans()), max_size=2
)


@st.composite
def _turn(draw: st.DrawFn) -> Turn:
    role = draw(st.sampled_from(("user", "assistant")))
    if role == "user":
        return Turn(role, draw(_texts))
    calls = draw(
        st.lists(st.tuples(_ids, _names, _values), max_size=2, unique_by=lambda call: call[0])
    )
    return Turn(role, draw(_texts), tuple(calls), tuple(draw(_texts) for _ in calls))


@st.composite
def _turns(draw: st.DrawFn) -> tuple[Turn, ...]:
    """In the items of a response, calls belong to the assistant's message before them: a turn of
    calls alone does not follow one of text alone.
    """
    turns: list[Turn] = []
    for turn in draw(st.lists(_turn(), max_size=4)):
        if turn.calls and turns and turns[-1].role == "assistant" and not turns[-1].calls:
            turns.append(Turn("user", draw(_texts)))
        turns.append(turn)
    return (*turns, Turn("user", draw(_texts)))


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    tools = tuple(draw(st.lists(_names, max_size=3, unique=True)))
    return Conversation(
        draw(st.none() | _texts),
        draw(_turns()),
        tools,
        draw(st.sampled_from((*_MODES, *tools))),
        draw(st.booleans()),
        draw(st.integers(1, 1_000)),
        draw(st.none() | st.floats(0, 1, width=32)),
        draw(st.none() | st.floats(0.125, 1, width=32)),
    )


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Answers of any text and any calls, in any pieces. Arguments are compact JSON."""
    texts = tuple(draw(st.lists(_texts, max_size=4)))
    calls = []
    given = draw(st.lists(st.tuples(_ids, _names, _values), max_size=3, unique_by=lambda c: c[0]))
    for id, name, values in given:
        text = _text(values)
        cut = draw(st.integers(0, len(text)))
        calls.append((id, name, tuple(filter(None, (text[:cut], text[cut:])))))
    prompt = draw(st.integers(1, 99))
    usage = TokenUsage(prompt, draw(st.integers(0, 99)), draw(st.integers(0, prompt)))
    end = draw(st.sampled_from(("length", "tool_calls" if calls else "stop")))
    return Script(texts, tuple(calls), end, usage)  # type: ignore[arg-type]


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def _function(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "arguments": _text(given)}


def _pieces(text: str) -> tuple[str, ...]:
    """Texts may come in parts."""
    half = len(text) // 2
    return (text[:half], text[half:]) if len(text) > 4 else (text,)


def _schema(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": "integer", "title": name}}}


def _sampling(said: Conversation) -> dict[str, Any]:
    given = {"temperature": said.temperature, "top_p": said.top_p}
    return {name: value for name, value in given.items() if value is not None}
