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

from load_tests.benchmarks.common.http_client import Cut, Reply, Unanswered, Unreachable, Wire
from load_tests.benchmarks.faults.chaos.outcomes import Ending, Shot

PATH = "/v1/chat/completions"
_NUMBER = re.compile(r"\d+(\.\d+)?")  # so that equal refusals are counted together


@dataclass(slots=True)
class _Answer:
    """What has come so far."""

    ending: Ending = Ending.CUT
    status: int = 0
    why: str = ""
    text: list[str] = field(default_factory=list)
    tokens: int = 0
    kept: bool = False


class Asker:
    """`origin` is the run's start on the monotonic clock; `patience_s` bounds each request."""

    def __init__(self, wire: Wire, key: str, origin: float, patience_s: float) -> None:
        self._wire = wire
        self._key = key
        self._origin = origin
        self._patience_s = patience_s

    async def unary(self, model: str, prompt: str, **fields: Any) -> Shot:
        """`fields` of the body beside the prompt. Echo answers with the prompt."""
        body = _body(model, prompt, fields)
        return await self._shot(model, body, lambda reply, into: _whole(reply, into, prompt))

    async def stream(self, model: str, prompt: str, tokens: int) -> Shot:
        """A stream of exactly `tokens` tokens: the prompt again and again."""
        told = {"stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True}
        body = _body(model, prompt, {**told, "max_tokens": tokens})
        expected = (prompt * (tokens // len(prompt) + 1))[:tokens]
        return await self._shot(model, body, lambda reply, into: _streamed(reply, into, expected))

    async def _shot(
        self, model: str, body: bytes, read: Callable[[Reply, _Answer], Awaitable[None]]
    ) -> Shot:
        began, answer = time.monotonic(), _Answer()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._ask(body, read, answer)
        except TimeoutError:
            answer.ending, answer.why = Ending.SILENT, f"nothing for {self._patience_s:g} s"
        except Unreachable as error:
            answer.ending, answer.why = Ending.UNREACHABLE, str(error)[:60]
        except Unanswered as error:
            answer.ending = Ending.UNANSWERED
            answer.why = "on a reused connection" if error.reused else "on a new connection"
        except Cut:
            answer.ending = Ending.CUT
        streams = b'"stream":true' in body
        return Shot(
            model, streams, began - self._origin, time.monotonic() - began,
            answer.ending, answer.status, answer.why, answer.tokens, answer.kept,
        )  # fmt: skip

    async def _ask(
        self, body: bytes, read: Callable[[Reply, _Answer], Awaitable[None]], answer: _Answer
    ) -> None:
        reply = await self._wire.post(PATH, self._key, body)
        try:
            answer.status = reply.status
            came_about = reply.headers.get(b"cache-status", b"")
            answer.kept = b";hit" in came_about or b";collapsed" in came_about
            if reply.status == 200:
                await read(reply, answer)
            else:
                answer.ending, answer.why = _refusal(await reply.body())
        finally:
            reply.close()


def _body(model: str, prompt: str, fields: dict[str, Any]) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return orjson.dumps({"model": model, "messages": messages, **fields})


def _refusal(body: bytes) -> tuple[Ending, str]:
    """Ours carries a code; HAProxy's and Serve's own errors do not."""
    try:
        error = orjson.loads(body)["error"]
        return Ending.PROBLEM, f"{error['code']}: {_NUMBER.sub('#', error['message'])}"[:160]
    except (ValueError, KeyError, TypeError):
        return Ending.UNTYPED, body[:60].decode(errors="replace")


async def _whole(reply: Reply, into: _Answer, prompt: str) -> None:
    body = await reply.body()
    try:
        answer = orjson.loads(body)
        said = answer["choices"][0]["message"]["content"]
        into.tokens = int(answer["usage"]["total_tokens"])
    except (ValueError, KeyError, TypeError, IndexError):
        into.ending, into.why = Ending.WRONG, body[:60].decode(errors="replace")
        return
    into.ending = Ending.WHOLE if said == prompt or not prompt else Ending.WRONG
    into.why = "" if into.ending is Ending.WHOLE else f"said {said[:40]!r}"


async def _streamed(reply: Reply, into: _Answer, expected: str) -> None:
    async for data in _events(reply):
        if into.ending is Ending.IN_BAND:
            continue
        if data == b"[DONE]":
            whole = "".join(into.text) == expected
            into.ending = Ending.WHOLE if whole else Ending.WRONG
            into.why = "" if whole else f"{sum(map(len, into.text))} of {len(expected)} characters"
            continue
        _heard(orjson.loads(data), into)
    if into.ending is Ending.CUT:
        into.why = "the stream ended without its end"


def _heard(event: dict[str, Any], into: _Answer) -> None:
    if "error" in event:
        into.ending, into.why = Ending.IN_BAND, _NUMBER.sub("#", str(event["error"].get("code")))
        return
    if event.get("usage"):
        into.tokens = int(event["usage"]["total_tokens"])
    for choice in event.get("choices", ()):
        text = choice["delta"].get("content") or ""
        into.text.append(text)
        into.tokens += len(text)


async def _events(reply: Reply) -> AsyncGenerator[bytes, None]:
    """The data of each server-sent event."""
    rest = b""
    async for piece in reply.pieces():
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            for line in event.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line[6:]
