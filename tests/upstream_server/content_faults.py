"""Faults of what is said: right HTTP, wrong bodies and events.

In: an exchange. Out: a whole response and a stream with the same fault, for both APIs.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.upstream_server.answers import UpstreamAnswer, UpstreamCall
from tests.upstream_server.exchange import Exchange, answered, event_bytes, send_events
from tests.upstream_server.openai_wire import Event
from tests.upstream_server.transport_faults import BIG, Respond

_PLACE = "--here--"  # of the big text; a stream makes an event of each word
_SLICE = b"a" * 65536

Change = Callable[[dict[str, Any]], None]


def status(code: int, text: str = "no", **headers: str) -> Respond:
    """An error of the API, in its own words."""

    async def respond(exchange: Exchange) -> None:
        await exchange.respond_json(exchange.error(code, text), code, **headers)

    return respond


def repeats_key(code: int) -> Respond:
    """An error that quotes the key it was sent, as OpenAI's 401 does in part."""

    async def respond(exchange: Exchange) -> None:
        await exchange.respond_json(exchange.error(code, _key_in_words(exchange)), code)

    return respond


async def repeats_key_with_200(exchange: Exchange) -> None:
    """The same in an event of a stream, or with a status that says that all is well."""
    error = exchange.error(400, _key_in_words(exchange))
    if exchange.is_stream:
        await send_events(exchange, [("error", error)])
    else:
        await exchange.respond_json(error)


def _key_in_words(exchange: Exchange) -> str:
    request = exchange.request
    sent = request.header("authorization") or request.header("x-api-key") or ""
    return f"Incorrect API key provided: {sent.removeprefix('Bearer ')}."


async def fails_in_html(exchange: Exchange) -> None:
    """What a proxy before the provider says."""
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    await exchange.respond(page, 502, "text/html")


async def sends_html(exchange: Exchange) -> None:
    await exchange.respond(b"<html><body>Please log in.</body></html>", kind="text/html")


async def sends_other_kind(exchange: Exchange) -> None:
    """Events where a whole answer was asked for, a whole answer where events were."""
    if exchange.is_stream:
        await exchange.respond_json(exchange.whole())
    else:
        await send_events(exchange, exchange.events())


async def sends_error_with_200(exchange: Exchange) -> None:
    await exchange.respond_json(exchange.error(503, "overloaded"))


async def sends_error_event_first(exchange: Exchange) -> None:
    await send_events(exchange, [exchange.error_event("overloaded")])


async def sends_error_event_later(exchange: Exchange) -> None:
    events = exchange.events()
    await send_events(exchange, [*events[: len(events) // 2], exchange.error_event("overloaded")])


def text(body: bytes) -> Respond:
    """Any bytes as the whole body, or as the data of one event."""

    async def respond(exchange: Exchange) -> None:
        if not exchange.is_stream:
            await exchange.respond(body)
            return
        await exchange.begin_stream()
        await exchange.chunk(b"data: " + body + b"\n\n")
        await exchange.end_stream()

    return respond


async def cuts_event(exchange: Exchange) -> None:
    """An orderly end of the response in the middle of an event, or of the JSON."""
    if not exchange.is_stream:
        body = json.dumps(exchange.whole()).encode()
        await exchange.respond(body[: len(body) // 2])
        return
    events = exchange.events()
    middle = len(events) // 2
    await exchange.begin_stream()
    for event in events[:middle]:
        await exchange.event(event)
    await exchange.chunk(event_bytes(events[middle])[:-10])
    await exchange.end_stream()


async def ends_late(exchange: Exchange) -> None:
    """A right stream whose chunked coding ends a moment after its last event."""
    await exchange.begin_stream()
    for event in exchange.events():
        await exchange.event(event)
    if exchange.last_event:
        await exchange.chunk(exchange.last_event)
    await asyncio.sleep(0.05)
    await exchange.end_stream()
    answered(exchange)


async def ends_without_end(exchange: Exchange) -> None:
    """A stream that ends in order, but before its last events."""
    events = exchange.events()
    await exchange.begin_stream()
    for event in events[: len(events) // 2]:
        await exchange.event(event)
    await exchange.end_stream()


async def streams_for_ever(exchange: Exchange) -> None:
    """The first piece of text again and again."""
    events = exchange.events()
    await exchange.begin_stream()
    for event in events[:-1]:
        await exchange.event(event)
        if _has_text(event):
            while True:
                await exchange.event(event)
                await asyncio.sleep(0.001)


async def streams_nothing_for_ever(exchange: Exchange) -> None:
    """Events that are right and empty."""
    await exchange.begin_stream()
    events = exchange.events()
    for event in events[:1]:
        await exchange.event(event)
    idle = events[1] if exchange.is_anthropic else events[0]  # a ping, or an empty delta
    while True:
        await exchange.event(idle)
        await asyncio.sleep(0.01)


async def sends_big_text(exchange: Exchange) -> None:
    """A text of 10 MB: in one event, or in a body of one length."""
    answer = replace(exchange.answer, text=_PLACE)
    if exchange.is_stream:
        body = b"".join(map(event_bytes, exchange.events(answer))) + exchange.last_event
    else:
        body = json.dumps(exchange.whole(answer)).encode()
    before, _, after = body.partition(_PLACE.encode())
    kind = "text/event-stream" if exchange.is_stream else "application/json"
    length = len(before) + BIG + len(after)
    await exchange.head(200, {"content-type": kind, "content-length": str(length)})
    await exchange.send(before)
    for _ in range(BIG // len(_SLICE)):
        await exchange.send(_SLICE)
    await exchange.send(after)


async def splits_every_byte(exchange: Exchange) -> None:
    """A right answer, a byte in each chunk."""
    kind = "text/event-stream" if exchange.is_stream else "application/json"
    await exchange.head(200, {"content-type": kind, "transfer-encoding": "chunked"})
    if exchange.is_stream:
        body = b"".join(map(event_bytes, exchange.events())) + exchange.last_event
    else:
        body = json.dumps(exchange.whole(), ensure_ascii=False).encode()
    for at in range(len(body)):
        await exchange.chunk(body[at : at + 1])
    await exchange.end_stream()
    answered(exchange)


def answers(answer: UpstreamAnswer) -> Respond:
    """Another answer than usual, rightly written."""

    async def respond(exchange: Exchange) -> None:
        await _send(exchange, answer)
        answered(exchange, answer)

    return respond


def says_usage(usage: Any) -> Respond:
    """Every count of tokens is `usage`; the whole object where it is no count."""

    def change(found: dict[str, Any]) -> None:
        if "usage" in found:
            if isinstance(usage, dict) or usage is None:
                found["usage"] = usage
            else:
                found["usage"] = dict.fromkeys(found["usage"], usage)

    return changed(change)


async def says_no_usage(exchange: Exchange) -> None:
    await _send_changed(exchange, lambda found: found.pop("usage", None))


def says_model(name: Any) -> Respond:
    def change(found: dict[str, Any]) -> None:
        if "model" in found:
            found["model"] = name

    return changed(change, is_right=True)


def says_finish(reason: Any) -> Respond:
    def change(found: dict[str, Any]) -> None:
        for key in ("finish_reason", "stop_reason"):
            if found.get(key):
                found[key] = reason

    return changed(change, is_right=isinstance(reason, str))


def changes_text(value: Any) -> Respond:
    """Every piece of text is `value` instead."""

    def change(found: dict[str, Any]) -> None:
        for key in ("content", "text"):
            if isinstance(found.get(key), str):
                found[key] = value

    return changed(change)


def calls_tool(arguments: str) -> Respond:
    """A call of a tool whose arguments are these characters."""

    def change(found: dict[str, Any]) -> None:
        for key in ("arguments", "partial_json", "input"):
            if found.get(key):
                found[key] = arguments

    return _calls(change)


async def repeats_names(exchange: Exchange) -> None:
    """As llama-cpp-python's server does: id and name in every piece of a call."""
    call = UpstreamCall("call_1", "weather", '{"city": "Bern"}')

    def change(found: dict[str, Any]) -> None:
        for piece in found.get("tool_calls", ()):
            piece["id"] = call.id
            piece["function"]["name"] = call.name

    await _send_changed(exchange, change, UpstreamAnswer("", (call,), finish="tool_calls"))


def calls_tool_named(name: Any) -> Respond:
    def change(found: dict[str, Any]) -> None:
        if "name" in found:
            found["name"] = name

    return _calls(change)


def calls_tool_at(index: Any) -> Respond:
    """In streams: the pieces of a call belong to that call."""

    def change(found: dict[str, Any]) -> None:
        for call in found.get("tool_calls", ()):
            if "index" in call:
                call["index"] = index
        if found.get("delta", {}).get("type") == "input_json_delta":
            found["index"] = index

    return _calls(change)


def _calls(change: Change) -> Respond:
    async def respond(exchange: Exchange) -> None:
        call = UpstreamCall("call_1", "weather", '{"city": "Bern"}')
        answer = UpstreamAnswer("", (call,), finish="tool_calls")
        await _send_changed(exchange, change, answer)

    return respond


def changes_choices(change: Callable[[list[Any]], Any]) -> Respond:
    """`choices`, or the blocks of a message, are what `change` makes of them; in a stream the
    index of each choice or block is changed likewise.
    """

    def apply(found: dict[str, Any]) -> None:
        for key in ("choices", "content"):
            if isinstance(found.get(key), list) and found[key]:
                found[key] = change(found[key])

    return changed(apply)


def changes_index(index: Any) -> Respond:
    def change(found: dict[str, Any]) -> None:
        if "index" in found:
            found["index"] = index

    return changed(change)


async def sends_events_backwards(exchange: Exchange) -> None:
    await send_events(exchange, exchange.events()[::-1])


def changed(change: Change, *, is_right: bool = False) -> Respond:
    """The right answer with `change` applied to every object in it; `is_right`: it still is."""

    async def respond(exchange: Exchange) -> None:
        await _send_changed(exchange, change)
        if is_right:
            answered(exchange)

    return respond


async def _send_changed(
    exchange: Exchange, change: Change, answer: UpstreamAnswer | None = None
) -> None:
    if exchange.is_stream:
        events = exchange.events(answer)
        for _, data in events:
            _visit(data, change)
        await send_events(exchange, events)
    else:
        body = exchange.whole(answer)
        _visit(body, change)
        await exchange.respond_json(body)


def _visit(value: Any, change: Change) -> None:
    if isinstance(value, dict):
        for each in list(value.values()):
            _visit(each, change)
        change(value)
    elif isinstance(value, list):
        for each in value:
            _visit(each, change)


async def _send(exchange: Exchange, answer: UpstreamAnswer) -> None:
    if exchange.is_stream:
        await send_events(exchange, exchange.events(answer))
    else:
        await exchange.respond_json(exchange.whole(answer))


def _has_text(event: Event) -> bool:
    data = event[1]
    if data.get("type") == "content_block_delta":
        return "text" in data["delta"]
    return any(choice["delta"].get("content") for choice in data.get("choices", ()))
