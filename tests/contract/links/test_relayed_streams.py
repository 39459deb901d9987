"""Streams whose text passes from the engine to the socket without a task, through everything."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from cluster.runtime.clock import SystemClock
from deployments.clients.link.server import ServerConnection
from deployments.ingress.pipeline.metering import MeteredCall
from deployments.ingress.pipeline.response_relay import ResponseRelay
from tests.cluster.polling import eventually
from tests.contract.links.linked_application import (
    PATH,
    LinkedApplication,
    chat,
    linked_application,
)
from tests.contract.links.linked_models import LinkedModel
from tests.contract.links.queued_replica import QueuedReplica
from tests.contract.links.test_linked_application import SlowReader

TEXT = "Straße 🌅 ahead, and so on"
BYTES = len(TEXT.encode())  # a token is a byte


class Pieces:
    """What the responses' relays were given, and how the calls of models ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.calls: list[MeteredCall] = []
        take, settle = ResponseRelay.take, MeteredCall._settle

        def counted(relay: ResponseRelay, index: int, text: str, tokens: int) -> None:
            self.count += 1
            take(relay, index, text, tokens)

        def noted(call: MeteredCall, reported: Any) -> None:
            settle(call, reported)
            self.calls.append(call)

        monkeypatch.setattr(ResponseRelay, "take", counted)
        monkeypatch.setattr(MeteredCall, "_settle", noted)


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> Pieces:
    return Pieces(monkeypatch)


@pytest.fixture
async def model() -> AsyncIterator[LinkedModel]:
    model = LinkedModel("a", replica=lambda name: QueuedReplica(name, tokens_per_s=400.0))
    await model.start()
    yield model
    await model.close()


async def events(served: LinkedApplication, **more: Any) -> list[dict[str, Any]]:
    answer = await served.client.post(PATH, json=chat(TEXT, stream=True) | more)
    assert answer.status_code == 200, answer.text
    assert answer.text.endswith("data: [DONE]\n\n")
    lines = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def text_of(found: list[dict[str, Any]], index: int = 0) -> str:
    choices = [choice for event in found for choice in event["choices"]]
    return "".join(
        choice["delta"].get("content") or "" for choice in choices if choice["index"] == index
    )


async def test_a_stream_says_and_costs_what_it_does_without_them(
    model: LinkedModel, tmp_path: Path, pieces: Pieces
) -> None:
    async with linked_application(tmp_path, model, 8) as served:
        found = await events(served, stream_options={"include_usage": True})
        relayed = pieces.count
        [usual] = await asyncio.gather(events(served, stop=["never said"]))

    assert relayed > 10
    assert pieces.count == relayed, "a stop string has to be looked for"
    assert text_of(found) == text_of(usual) == TEXT
    assert found[-1]["usage"]["completion_tokens"] == BYTES
    shapes = [sorted(event) for event in found[:-1]]
    assert shapes == [shapes[0]] * len(shapes)
    assert [event["choices"][0]["delta"].get("role") for event in found[:2]] == ["assistant", None]
    assert [call.usage.completion_tokens for call in pieces.calls] == [BYTES, BYTES]
    assert pieces.calls[0].chunks >= relayed + 2


@pytest.mark.parametrize(
    "more",
    [{"temperature": 0}, {"n": 2}, {"logprobs": True}],
    ids=["cacheable", "two choices", "log probabilities"],
)
async def test_what_others_need_to_see_goes_the_usual_way(
    model: LinkedModel, tmp_path: Path, pieces: Pieces, more: dict[str, Any]
) -> None:
    async with linked_application(tmp_path, model, 8) as served:
        for _ in range(2):
            found = await events(served, **more)
            assert text_of(found) == TEXT

    assert pieces.count == 0


async def test_a_client_that_leaves_pays_for_what_was_generated(
    model: LinkedModel, tmp_path: Path, pieces: Pieces
) -> None:
    async with linked_application(tmp_path, model, 8) as served:
        body = chat("x" * 4000, stream=True)
        async with (
            served.client.stream("POST", PATH, json=body) as answer,
            aclosing(answer.aiter_lines()) as lines,
        ):
            async for _ in lines:
                if pieces.count > 10:
                    break
        await eventually(lambda: bool(pieces.calls))
        await eventually(lambda: model.running == model.outstanding == 0)

        async def all_free() -> bool:
            return await served.free_slots() == 8

        await eventually(all_free)

    [call] = pieces.calls
    assert 10 < call.usage.completion_tokens < 4000


async def test_a_call_that_loses_its_replica_ends_in_band(
    model: LinkedModel, tmp_path: Path, pieces: Pieces
) -> None:
    async with linked_application(tmp_path, model, 8) as served:
        body, lines = chat("x" * 4000, stream=True), []
        async with served.client.stream("POST", PATH, json=body) as answer:
            async for line in answer.aiter_lines():
                lines.append(line)
                if pieces.count == 10:
                    await model.kill("a")

    assert "error" in json.loads([line for line in lines if line][-1].removeprefix("data: "))


async def test_a_slow_reader_gets_all_of_it(tmp_path: Path, pieces: Pieces) -> None:
    model = LinkedModel("a", replica=lambda name: QueuedReplica(name, tokens_per_s=1_000.0))
    await model.start()
    async with linked_application(tmp_path, model, 8) as served:
        slow = SlowReader(served)
        await slow.send("word " * 300)
        await eventually(lambda: pieces.count > 10)
        assert await slow.read() == "word " * 300
    await model.close()


async def test_pieces_of_several_streams_are_written_together_but_not_for_longer(
    model: LinkedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece waits for the end of the time since the last write, if it waits at all."""
    clock, waits, writes = SystemClock().monotonic, [], 0
    send, flush = ServerConnection.send_piece, ServerConnection._flush

    def noted_send(self: ServerConnection, number: int, piece: Any, hold_s: float) -> None:
        assert 0 < hold_s < 0.005
        send(self, number, piece, hold_s)
        if self._held is not None:
            waits.append(self._held.when() - clock() - hold_s)
        else:
            assert self._flushing

    def noted_flush(self: ServerConnection) -> None:
        nonlocal writes
        writes += 1
        flush(self)
        assert self._held is None
        assert not self._server.has_output

    monkeypatch.setattr(ServerConnection, "send_piece", noted_send)
    monkeypatch.setattr(ServerConnection, "_flush", noted_flush)
    async with linked_application(tmp_path, model, 8) as served:
        found = await asyncio.gather(*(events(served) for _ in range(8)))

    assert [text_of(each) for each in found] == [TEXT] * 8
    assert waits
    assert max(waits) <= 0
    assert writes < 8 * (BYTES - 2)
