"""Request bodies: bytes in, a validated value out, or a problem that points at the fault.

Parsing and validation run on the event loop, so their cost is bounded: by the length of the body,
and by the number of JSON values in it, which cost far more than their bytes.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from cluster.runtime.problems import ClientGone, Malformed, UnsupportedMedia
from deployments.ingress.http.ignored_fields import unknown_fields
from deployments.ingress.http.validation import Extra, from_validation_error

Schema = TypeVar("Schema", bound=BaseModel)
JSON = "application/json"
MAX_VALUES = 10_000  # members and elements of a body; the largest legitimate one has 4,000
_JSON_FIELD = (b"content-type", b"application/json")
_MIN_BYTES_PER_VALUE = 2  # a digit and a comma
# A string, or what begins or separates values. Possessive: each byte is read once.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{,]', re.DOTALL)


async def read_json(request: Request, schema: type[Schema], max_values: int = MAX_VALUES) -> Schema:
    """Raises UnsupportedMedia (415), Malformed (422), and what the layers that receive it raise."""
    _require_json(request)
    try:
        raw = await request.body()
    except ClientDisconnect:
        raise _client_gone() from None
    return parse_json(raw, schema, max_values=max_values)


async def receive_json(request: Request) -> bytes:
    """The same, not parsed yet. The body is received here, and nobody can get it from `request`
    afterwards: the request's own way to it takes longer than parsing a small one.
    """
    if _JSON_FIELD not in request.scope["headers"]:
        _require_json(request)
    receive, parts = request.receive, []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _client_gone()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _require_json(request: Request) -> None:
    content_type = ""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            content_type = value.decode("latin-1")
            break
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type != JSON and not media_type.endswith("+json"):
        raise UnsupportedMedia(content_type or "(none)", (JSON,))


async def request_chunks(request: Request) -> AsyncIterator[bytes]:
    """The chunks of a body, as they arrive. Raises ClientGone."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise _client_gone() from None


def _client_gone() -> ClientGone:
    return ClientGone("The client disconnected before its body arrived.")


def parse_json(
    raw: bytes,
    schema: type[Schema],
    ignored: list[str] | None = None,
    max_values: int = MAX_VALUES,
) -> Schema:
    """With `ignored`, fields that the schema does not have are ignored, and their names are added
    to it; a body without such fields is validated once, and so is one of a schema that allows
    them. Raises Malformed: not UTF-8, not JSON, not
    the schema, or over `max_values`.
    """
    if len(raw) > max_values * _MIN_BYTES_PER_VALUE:  # else it has no room for so many
        _check_value_count(raw, max_values)
    try:
        body = schema.model_validate_json(raw)
    except ValidationError as error:
        templated = _templated_schema(schema, raw)
        if templated is not None:
            return parse_json(raw, templated, ignored, max_values)
        if ignored is None:
            raise _malformed(raw, error, schema) from None
    else:
        if ignored is not None and (unknown := body.model_extra):
            ignored += sorted(name for name, value in unknown.items() if value is not None)
        return body
    try:
        body = schema.model_validate_json(raw, extra="allow")
    except ValidationError as error:
        raise _malformed(raw, error, schema, extra="ignore") from None
    ignored.extend(unknown_fields(body))
    return body


def _templated_schema(schema: type[Schema], raw: bytes) -> type[Schema] | None:
    """The schema of bodies that name a template, if `raw` does and `schema` is of those that do
    not."""
    templated = getattr(schema, "templated", None)
    if templated is None or templated[1] is schema or f'"{templated[0]}"'.encode() not in raw:
        return None
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return templated[1] if isinstance(body, dict) and body.get(templated[0]) else None


def _check_value_count(raw: bytes, max_values: int) -> None:
    """Raises Malformed."""
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") <= max_values:
        return
    values = strings = 0
    for token in _TOKEN.finditer(raw):
        if raw[token.start()] == ord('"'):
            strings += 1  # a value or a member's name
        else:
            values += 1
        if values > max_values or strings > 2 * max_values:
            raise Malformed.at("", f"The body has over {max_values} values.", "too-many-values")


def _malformed(
    raw: bytes,
    error: ValidationError,
    schema: type[BaseModel],
    extra: Extra = "forbid",
) -> Malformed:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        return Malformed.at("", f"The body is not UTF-8 (byte {fault.start}).", "invalid-utf8")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as fault:
        return Malformed.at("", f"The body is not JSON: {fault}.", "invalid-json")
    return from_validation_error(error, body, schema, extra)


@dataclass(slots=True, eq=False)
class _Waiter:
    """One request that waits for its first message."""

    task: "asyncio.Task[object]"
    started_at: float
    is_timed_out: bool = False


class FirstMessageWait:
    """A bounded wait for the first message of a body.

    A timeout per request costs as much as the rest of a response from the fast path; here one timer
    serves all waiting requests. It ends a wait after `limit_s` seconds, and before twice as many
    have passed.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._waiters: dict[_Waiter, None] = {}  # in order of their start
        self._timer: asyncio.TimerHandle | None = None

    async def receive(self, receive: Receive) -> Message | None:
        """The first message; None where it did not arrive in time, and nothing was received."""
        cycle = getattr(receive, "__self__", None)
        if getattr(cycle, "more_body", None) is False:  # uvicorn has all of the body: no wait
            return await receive()
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        waiter = _Waiter(task, loop.time())
        self._waiters[waiter] = None
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s, self._end_waits, loop)
        try:
            return await receive()
        except asyncio.CancelledError:
            if waiter.is_timed_out and task.uncancel() == 0:
                return None
            raise
        finally:
            del self._waiters[waiter]

    def _end_waits(self, loop: asyncio.AbstractEventLoop) -> None:
        latest_start = loop.time() - self._limit_s
        for waiter in self._waiters:
            if waiter.started_at > latest_start:
                break
            if not waiter.is_timed_out:
                waiter.is_timed_out = True
                waiter.task.cancel()
        self._timer = (
            loop.call_later(self._limit_s, self._end_waits, loop) if self._waiters else None
        )
