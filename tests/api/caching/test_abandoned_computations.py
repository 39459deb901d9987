"""Callers who leave, or run out of time, while others wait for the same computation."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.tenants.units import UsageAmounts
from deployments.contracts.generation import Chunk, GenerateRequest
from tests.api.caching.answers import CHAT, URL, turns
from tests.api.fakes import Records, WordsModel
from tests.api.web import ADMIN_KEY
from tests.api.wire import Wire

HEADERS = (
    ("authorization", f"Bearer {ADMIN_KEY}"),
    ("content-type", "application/json"),
    ("cache-control", "max-age=1000"),  # by the whole application
)

serve_request: ContextVar[str] = ContextVar("serve_request", default="")


class ServedWords(WordsModel):
    """As behind a handle of Ray Serve: a call is ended when the client of the request leaves in
    whose context it was made."""

    def __init__(self) -> None:
        super().__init__("one two three four")
        self.steps: dict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self.may_go = asyncio.Event()

    async def _chunks(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in super()._chunks(request):
            yield chunk
            if chunk.text == " two":
                step = asyncio.get_running_loop().create_future()
                self.steps[serve_request.get()].append(step)
                going = asyncio.ensure_future(self.may_go.wait())
                try:
                    await asyncio.wait((going, step), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    going.cancel()
                if step.cancelled():
                    raise asyncio.CancelledError

    def cancel(self, request: str) -> None:
        """What Serve does when the client of `request` has left."""
        for step in self.steps[request]:
            step.cancel()


@dataclass
class Client:
    """One request, which Serve knows by `name`."""

    app: ASGIApp
    model: ServedWords
    name: str
    stream: bool
    timeout_s: float | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def start(self) -> "Client":
        headers = HEADERS
        if self.timeout_s is not None:
            headers = (*headers, ("mobula-timeout", str(self.timeout_s)))

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            serve_request.set(self.name)
            # Serve cancels the request of a client that has left; this header has us do it.
            leaving = (b"x-request-disconnect-disabled", b"?1")
            await self.app({**scope, "headers": [*scope["headers"], leaving]}, receive, send)

        body = json.dumps({**CHAT, **self.more, "stream": self.stream}).encode()
        self.wire = Wire(served, URL, headers=headers).start().body(body)
        return self

    async def leave(self) -> None:
        self.wire.leave()
        self.model.cancel(self.name)
        await self.wire.ended()

    async def text(self) -> str:
        wire = await self.wire.ended()
        assert wire.status == 200, wire.text
        assert wire.complete
        if not self.stream:
            return str(json.loads(wire.text)["choices"][0]["message"]["content"])
        assert wire.text.endswith("data: [DONE]\n\n")
        return "".join(_deltas(wire.text))


def _deltas(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                yield choice["delta"].get("content") or ""


@pytest.fixture
def model() -> ServedWords:
    return ServedWords()


@pytest.fixture
def app(web: httpx.AsyncClient) -> ASGIApp:
    return web._transport.app  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_starter_that_hangs_up_costs_nobody_else_a_word(
    app: ASGIApp, model: ServedWords, records: Records, stream: bool
) -> None:
    starter = Client(app, model, "starter", stream).start()
    await turns(lambda: bool(model.steps))
    others = [Client(app, model, f"other-{n}", bool(n % 2)).start() for n in range(4)]
    await asyncio.sleep(0.01)
    await starter.leave()
    assert model.open == 1
    model.may_go.set()
    assert [await other.text() for other in others] == ["one two three four"] * 4
    assert len(model.requests) == 1
    outcomes = sorted(line.outcome for line in records.lines)
    assert outcomes == ["client-gone", "ok", "ok", "ok", "ok"]


async def test_an_abandoned_computation_is_charged_once_and_those_who_joined_it_are_cache_hits(
    app: ASGIApp, model: ServedWords, records: Records
) -> None:
    starter = Client(app, model, "starter", stream=True).start()
    await turns(lambda: bool(model.steps))
    others = [Client(app, model, f"other-{n}", stream=True).start() for n in range(2)]
    await asyncio.sleep(0.01)
    await starter.leave()
    model.may_go.set()
    for other in others:
        await other.text()
    used = UsageAmounts(input_tokens=3, output_tokens=4)
    assert records.usage == [("acme", "words", used)]
    assert records.kept == [("acme", "words")] * 2


async def test_a_computation_that_everybody_gives_up_ends_and_is_charged_as_far_as_it_came(
    app: ASGIApp, model: ServedWords, records: Records
) -> None:
    clients = [Client(app, model, f"client-{n}", stream=True).start() for n in range(3)]
    await turns(lambda: bool(model.steps))
    await asyncio.sleep(0.01)
    for client in clients:
        assert model.open == 1
        await client.leave()
    assert model.open == 0
    assert records.usage == [("acme", "words", UsageAmounts(input_tokens=3, output_tokens=2))]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_who_has_more_time_than_the_starter_is_answered_by_the_same_computation(
    app: ASGIApp, model: ServedWords, stream: bool
) -> None:
    starter = Client(app, model, "starter", stream, timeout_s=0.2).start()
    await turns(lambda: bool(model.steps))
    others = [Client(app, model, f"other-{n}", bool(n % 2)).start() for n in range(2)]
    late = await starter.wire.ended()
    assert "deadline" in late.text
    assert late.status == (200 if stream else 504)
    model.may_go.set()
    assert [await other.text() for other in others] == ["one two three four"] * 2
    assert len(model.requests) == 1


async def test_a_batch_loses_no_item_to_a_client_that_hangs_up(
    app: ASGIApp, model: ServedWords
) -> None:
    items = [{"topic": topic, "variants": 1, "seed": 7} for topic in ("sea", "sun", "tea")]
    body = json.dumps({"items": items}).encode()

    def batch(name: str) -> Wire:
        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            serve_request.set(name)
            leaving = (b"x-request-disconnect-disabled", b"?1")
            await app({**scope, "headers": [*scope["headers"], leaving]}, receive, send)

        return Wire(served, "/api/v1/captions/batch", headers=HEADERS).start().body(body)

    first = batch("first")
    await turns(lambda: len(model.steps["first"]) + len(model.steps[""]) == 3)
    second = batch("second")
    await asyncio.sleep(0.01)
    first.leave()
    model.cancel("first")
    await first.ended()
    model.may_go.set()
    await second.ended()
    assert second.status == 200, second.text
    found = json.loads(second.text)["results"]
    assert [result["status"] for result in found] == ["ok"] * 3, found
    assert len(model.requests) == 3
