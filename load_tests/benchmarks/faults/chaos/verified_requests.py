"""Asks echo models and judges each answer: a whole one says its own prompt again.

Flows in: a wire and a key. Flows out: a Shot a request, whatever happened to it.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from load_tests.benchmarks.common.http_client import (
    ConnectionRefused,
    NoResponse,
    NoRetryClient,
    StreamedResponse,
    TruncatedResponse,
)
from load_tests.benchmarks.faults.chaos.outcomes import RequestOutcome, RequestResult

PATH = "/v1/chat/completions"
_NUMBER = re.compile(r"\d+(\.\d+)?")  # so that equal refusals are counted together


@dataclass(slots=True)
class _Response:
    """What has come so far."""

    ending: RequestOutcome = RequestOutcome.CUT
    status: int = 0
    why: str = ""
    text: list[str] = field(default_factory=list)
    tokens: int = 0
    from_cache: bool = False


class VerifyingClient:
    """`origin` is the run's start on the monotonic clock; `patience_s` bounds each request."""

    def __init__(self, wire: NoRetryClient, key: str, origin: float, patience_s: float) -> None:
        self._wire = wire
        self._key = key
        self._origin = origin
        self._patience_s = patience_s

    async def unary(self, model: str, prompt: str, **fields: Any) -> RequestResult:
        """`fields` of the body beside the prompt. Echo answers with the prompt."""
        body = _body(model, prompt, fields)
        return await self._shot(model, body, lambda reply, into: _read_whole(reply, into, prompt))

    async def stream(self, model: str, prompt: str, tokens: int) -> RequestResult:
        """A stream of exactly `tokens` tokens: the prompt again and again."""
        options = {"stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True}
        body = _body(model, prompt, {**options, "max_tokens": tokens})
        expected = (prompt * (tokens // len(prompt) + 1))[:tokens]
        return await self._shot(
            model, body, lambda reply, into: _read_stream(reply, into, expected)
        )

    async def _shot(
        self,
        model: str,
        body: bytes,
        read: Callable[[StreamedResponse, _Response], Awaitable[None]],
    ) -> RequestResult:
        began, answer = time.monotonic(), _Response()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._ask(body, read, answer)
        except TimeoutError:
            answer.ending, answer.why = RequestOutcome.SILENT, f"nothing for {self._patience_s:g} s"
        except ConnectionRefused as error:
            answer.ending, answer.why = RequestOutcome.UNREACHABLE, str(error)[:60]
        except NoResponse as error:
            answer.ending = RequestOutcome.UNANSWERED
            answer.why = "on a reused connection" if error.reused else "on a new connection"
        except TruncatedResponse:
            answer.ending = RequestOutcome.CUT
        streams = b'"stream":true' in body
        return RequestResult(
            model, streams, began - self._origin, time.monotonic() - began,
            answer.ending, answer.status, answer.why, answer.tokens, answer.from_cache,
        )  # fmt: skip

    async def _ask(
        self,
        body: bytes,
        read: Callable[[StreamedResponse, _Response], Awaitable[None]],
        answer: _Response,
    ) -> None:
        reply = await self._wire.post(PATH, self._key, body)
        try:
            answer.status = reply.status
            came_about = reply.headers.get(b"cache-status", b"")
            answer.from_cache = b";hit" in came_about or b";collapsed" in came_about
            if reply.status == 200:
                await read(reply, answer)
            else:
                answer.ending, answer.why = _refusal(await reply.body())
        finally:
            reply.close()


def _body(model: str, prompt: str, fields: dict[str, Any]) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return orjson.dumps({"model": model, "messages": messages, **fields})


def _refusal(body: bytes) -> tuple[RequestOutcome, str]:
    """Ours carries a code; HAProxy's and Serve's own errors do not."""
    try:
        error = orjson.loads(body)["error"]
        return RequestOutcome.PROBLEM, f"{error['code']}: {_NUMBER.sub('#', error['message'])}"[
            :160
        ]
    except (ValueError, KeyError, TypeError):
        return RequestOutcome.UNTYPED, body[:60].decode(errors="replace")


async def _read_whole(reply: StreamedResponse, into: _Response, prompt: str) -> None:
    body = await reply.body()
    try:
        answer = orjson.loads(body)
        text = answer["choices"][0]["message"]["content"]
        into.tokens = int(answer["usage"]["total_tokens"])
    except (ValueError, KeyError, TypeError, IndexError):
        into.ending, into.why = RequestOutcome.WRONG, body[:60].decode(errors="replace")
        return
    into.ending = RequestOutcome.WHOLE if text == prompt or not prompt else RequestOutcome.WRONG
    into.why = "" if into.ending is RequestOutcome.WHOLE else f"text {text[:40]!r}"


async def _read_stream(reply: StreamedResponse, into: _Response, expected: str) -> None:
    async for data in _events(reply):
        if into.ending is RequestOutcome.IN_BAND:
            continue
        if data == b"[DONE]":
            is_complete = "".join(into.text) == expected
            into.ending = RequestOutcome.WHOLE if is_complete else RequestOutcome.WRONG
            into.why = (
                "" if is_complete else f"{sum(map(len, into.text))} of {len(expected)} characters"
            )
            continue
        _record_event(orjson.loads(data), into)
    if into.ending is RequestOutcome.CUT:
        into.why = "the stream ended without its end"


def _record_event(event: dict[str, Any], into: _Response) -> None:
    if "error" in event:
        into.ending, into.why = (
            RequestOutcome.IN_BAND,
            _NUMBER.sub("#", str(event["error"].get("code"))),
        )
        return
    if event.get("usage"):
        into.tokens = int(event["usage"]["total_tokens"])
    for choice in event.get("choices", ()):
        text = choice["delta"].get("content") or ""
        into.text.append(text)
        into.tokens += len(text)


async def _events(reply: StreamedResponse) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event."""
    rest = b""
    async for chunk in reply.chunks():
        *events, rest = (rest + chunk).split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:]
