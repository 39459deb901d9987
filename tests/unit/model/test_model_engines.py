"""What engines are built from.

the ledger, frames, echo, the process's loop, and the choice of engine.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.runtime.problems import ModelFailed
from deployments.contracts.engine import TokenRequest, Tokens
from deployments.model.engines import openvino_generation, openvino_worker
from deployments.model.engines.echo import EchoEngine, continuation
from deployments.model.engines.ipc_messages import (
    GenerateCommand,
    Step,
    TokenBatch,
    Unpacker,
    WorkerError,
    pack,
)
from deployments.model.engines.openvino_generation import GenerationWorker
from deployments.model.engines.openvino_worker import WorkerOptions
from deployments.model.engines.registry import ENGINES, load_engine_class, resolve_engine
from deployments.model.engines.sequences import SequenceRegistry
from deployments.model.loading import build_engine
from deployments.model.model_files import find_model
from deployments.model.spec import ModelSpec
from load_tests.benchmarks.common.virtual_time import run_in_virtual_time


async def test_what_is_ready_comes_merged() -> None:
    ledger = SequenceRegistry()
    key, mailbox = ledger.open()
    ledger.deliver(key, Tokens((1, 2), None, (-1.0, -2.0)))
    ledger.deliver(key, Tokens((3,), "length", (-3.0,)))

    assert await mailbox.get() == Tokens((1, 2, 3), "length", (-1.0, -2.0, -3.0))
    assert not ledger.leave(key)


def test_a_reader_is_woken_once_an_interval() -> None:
    async def run() -> None:
        ledger = SequenceRegistry()
        key, mailbox = ledger.open(interval_s=0.02)
        ledger.deliver(key, Tokens((1,)))
        assert (await mailbox.get()).ids == (1,)

        reading = asyncio.create_task(mailbox.get())
        ledger.deliver(key, Tokens((2,)))
        await asyncio.sleep(0.01)
        ledger.deliver(key, Tokens((3,)))

        assert (await reading).ids == (2, 3)

    run_in_virtual_time(run())


async def test_the_end_is_not_held_back() -> None:
    ledger = SequenceRegistry()
    key, mailbox = ledger.open(interval_s=float("inf"))
    reading = asyncio.create_task(mailbox.get())
    await asyncio.sleep(0)
    ledger.deliver(key, Tokens((1,)))
    await asyncio.sleep(0)
    assert not reading.done()

    ledger.deliver(key, Tokens((2,), "stop"))

    assert (await reading).ids == (1, 2)


async def test_every_sequence_is_counted_once_however_it_ends() -> None:
    ledger = SequenceRegistry()
    finished, cancelled, failed, raced = (ledger.open()[0] for _ in range(4))

    ledger.deliver(finished, Tokens((1,), "stop"))
    assert ledger.leave(cancelled)
    ledger.release(cancelled)
    ledger.release(cancelled)
    ledger.fail(failed, ModelFailed("m"))
    assert ledger.leave(raced)
    ledger.deliver(raced, Tokens((1, 2), "length"))
    ledger.release(raced)
    for key in (finished, failed):
        assert not ledger.leave(key)

    stats = ledger.stats(2, 0)
    assert (stats.submitted, stats.finished, stats.cancelled, stats.failed) == (4, 1, 2, 1)
    assert (stats.running, stats.waiting, stats.handlers, stats.tokens_out) == (0, 0, 0, 3)


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 30))
def test_messages_survive_any_cut_of_the_stream(messages: list[bytes], size: int) -> None:
    stream = b"".join(map(pack, messages))
    unpacker = Unpacker()

    got = [m for at in range(0, len(stream), size) for m in unpacker.feed(stream[at : at + size])]

    assert got == messages


def _asked(prompt: Sequence[int], max_tokens: int, stop: int | None = 256) -> TokenRequest:
    stops = frozenset() if stop is None else frozenset({stop})
    return TokenRequest("r", tuple(prompt), max_tokens, stops)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(_asked([1, 2, 3], 5), ((1, 2, 3), "stop"), id="once"),
        pytest.param(_asked([1, 2, 3], 2), ((1, 2), "length"), id="cut"),
        pytest.param(_asked([1, 2, 3], 7, None), ((1, 2, 3, 1, 2, 3, 1), "length"), id="around"),
        pytest.param(_asked([1, 9, 3], 7, 9), ((1,), "stop"), id="stop id"),
        pytest.param(_asked([258, 5, 256, 258, 6, 7, 256, 259], 9), ((6, 7), "stop"), id="turn"),
        pytest.param(_asked([258, 256, 259], 9), ((46,), "stop"), id="empty turn"),
    ],
)
def test_echo_gives_the_last_turn_back(request_: TokenRequest, expected: object) -> None:
    assert continuation(request_) == expected


async def test_a_paced_echo_gives_one_token_a_beat() -> None:
    engine = EchoEngine(tokens_per_second=1_000.0, first_token_s=0.001)

    batches = [tokens async for tokens in engine.generate(_asked([1, 2, 3], 9))]

    assert [batch.ids for batch in batches] == [(1,), (2,), (3,)]
    assert engine.stats().finished == 1


class Pipeline:
    """Stands for openvino-genai: every open request gets one token a step."""

    def __init__(self, fails_at: int = 1_000_000) -> None:
        self.handles: list[Any] = []
        self._left = fails_at

    def add_request(self, key: int, prompt: object, config: object) -> object:
        handle = SimpleNamespace(key=key, unread=0, cancelled=False)
        handle.can_read = lambda: handle.unread > 0
        handle.read = lambda: self._read(handle)
        handle.cancel = lambda: setattr(handle, "cancelled", True)
        self.handles.append(handle)
        return handle

    def has_non_finished_requests(self) -> bool:
        return bool(self.handles)

    def step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("out of memory")
        self.handles = [handle for handle in self.handles if not handle.cancelled]
        for handle in self.handles:
            handle.unread += 1

    def _read(self, handle: Any) -> dict[int, object]:
        count, handle.unread = handle.unread, 0
        reason = SimpleNamespace(name="NONE")
        ids = [handle.key] * count
        return {
            0: SimpleNamespace(generated_ids=ids, generated_log_probs=[0.0], finish_reason=reason)
        }


JOB = GenerateCommand(1, (1,), 8, frozenset(), 0.0, 1.0, 0, 0, 0.0, 0.0, False, 0.0)


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker without openvino: its two ways into the library do nothing."""
    monkeypatch.setattr(openvino_generation, "prompt_tensor", lambda prompt: prompt)
    monkeypatch.setattr(openvino_generation, "generation_config", lambda job: job)


@pytest.mark.usefixtures("no_library")
def test_the_worker_admits_no_more_than_it_runs() -> None:
    pipeline = Pipeline()
    worker = GenerationWorker(pipeline, 2, 100)
    for key in range(5):
        worker.submit(JOB._replace(key=key))

    batches = worker.turn()

    assert sorted(batch.key for batch in batches) == [0, 1]
    worker.cancel(0)
    worker.cancel(3)
    assert {batch.key for batch in worker.turn() if batch.end == "cancelled"} == {0, 3}
    assert sorted(batch.key for batch in worker.turn()) == [1, 2]


@pytest.mark.usefixtures("no_library")
def test_the_parent_hears_why_a_step_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(fails_at=7)
    monkeypatch.setattr(openvino_worker, "load", lambda options: pipeline)
    monkeypatch.setattr(openvino_worker, "warm_up", lambda worker: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("gc.freeze", lambda: None)
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    thread = threading.Thread(target=_ended, args=(theirs,), daemon=True)
    with ours, theirs:
        thread.start()
        ours.sendall(pack([WorkerOptions(Path(), "CPU", 1, "f32", 2, 100)]) + pack([JOB]))
        messages = _until_broken(ours)
        thread.join()

    steps = [message for message in messages if isinstance(message, Step)]
    assert sum(len(step.batches) for step in steps) == 7
    assert steps[0].batches == [TokenBatch(1, (1,))]
    assert messages[-1] == WorkerError("RuntimeError: out of memory")


def _ended(link: socket.socket) -> None:
    with pytest.raises(SystemExit):
        openvino_worker.main(link)


def _until_broken(link: socket.socket) -> list[Any]:
    unpacker = Unpacker()
    messages: list[Any] = []
    while not any(isinstance(message, WorkerError) for message in messages):
        messages += unpacker.feed(link.recv(1 << 16))
    return messages


@pytest.mark.parametrize(
    ("spec", "nvidia", "vllm", "expected"),
    [
        pytest.param({}, False, False, "openvino", id="cpu"),
        pytest.param({}, True, True, "vllm", id="nvidia"),
        pytest.param({}, True, False, "transformers", id="nvidia without vllm"),
        pytest.param({"device": "cpu"}, True, True, "openvino", id="cpu by wish"),
        pytest.param({"device": "mps"}, False, False, "transformers", id="apple"),
        pytest.param({"engine": "transformers"}, False, False, "transformers", id="by name"),
    ],
)
def test_auto_takes_the_engine_that_fits(
    spec: dict[str, Any],
    nvidia: bool,
    vllm: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = "deployments.model.engines.registry"
    monkeypatch.setattr(f"{module}.has_nvidia", lambda: nvidia)
    monkeypatch.setattr(f"{module}.importlib.util.find_spec", lambda name: vllm or None)

    model = ModelSpec(id="m", **spec)
    assert resolve_engine(model.engine, model.device) == expected


def test_sizes_follow_the_model() -> None:
    spec = ModelSpec(id="m", max_running=4)

    assert spec.cache_size(1_024) == 4_096
    assert spec.cache_size(32_768) == 32_768
    assert ModelSpec(id="m", cache_tokens=100).cache_size(512) == 512
    assert spec.thread_count(5_000_000) == 1
    assert ModelSpec(id="m", threads=3).thread_count(5_000_000) == 3
    assert spec.thread_count(1_000_000_000) >= 1


@pytest.mark.parametrize("engine", ["openvino", "transformers", "vllm"])
def test_engines_are_built_without_loading_anything(engine: Any, tmp_path: Path) -> None:
    spec = ModelSpec(id="nano", engine=engine)

    assert build_engine(spec, find_model(spec), 512, tmp_path).name == engine


def test_engines_are_registered_by_the_name_that_they_report() -> None:
    assert all(load_engine_class(name).name == name for name in ENGINES)


def test_an_unknown_engine_is_refused_with_the_names_of_the_known() -> None:
    with pytest.raises(ValidationError, match="auto, echo, openvino, transformers, vllm"):
        ModelSpec(id="m", engine="abacus")
