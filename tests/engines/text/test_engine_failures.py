"""Engines that stop or break in the middle of a stream.

Callers get a Problem, health says so, nothing is left.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster.runtime.problems import Draining, ModelFailed
from deployments.contracts.engine import Engine
from deployments.model.engines.echo import EchoEngine
from deployments.model.engines.openvino import OpenVinoEngine
from deployments.model.engines.transformers import TorchSizing, TransformersEngine
from deployments.model.model_files import NANO
from tests.engines.text.sequences import collect, drained, greedy, nano_prompts, settled, until

PROMPTS = nano_prompts()


async def test_stop_during_a_stream_ends_it_with_draining(build: Callable[[], Engine]) -> None:
    engine = build()
    if isinstance(engine, EchoEngine):
        engine = EchoEngine(tokens_per_second=5.0)
    await engine.start()
    async with aclosing(engine.generate(greedy(PROMPTS[0], 900))) as stream:
        await anext(stream)

        await engine.stop()

        with pytest.raises(Draining):
            await drained(stream)
    stats = engine.stats()
    assert (stats.failed, stats.running, stats.handlers) == (1, 0, 0)
    with pytest.raises(Draining):
        await collect(engine, greedy(PROMPTS[0]))
    with pytest.raises(RuntimeError):
        engine.check_health()


async def test_a_killed_engine_process_fails_its_streams_and_its_health() -> None:
    engine = OpenVinoEngine("nano", NANO / "openvino")
    await engine.start()
    try:
        async with aclosing(engine.generate(greedy(PROMPTS[0], 900))) as stream:
            await anext(stream)
            assert engine._child.pid is not None

            os.kill(engine._child.pid, signal.SIGKILL)

            with pytest.raises(ModelFailed):
                await drained(stream)
        with pytest.raises(RuntimeError, match="process ended"):
            engine.check_health()
        with pytest.raises(ModelFailed):
            await collect(engine, greedy(PROMPTS[0]))
        assert (engine.stats().failed, engine.stats().handlers) == (1, 0)
    finally:
        await engine.stop()


def test_the_engine_process_works_under_uvloop() -> None:
    """Ray's replicas run on uvloop, whose transports are not asyncio's."""
    uvloop = pytest.importorskip("uvloop")

    async def serve() -> None:
        engine = OpenVinoEngine("nano", NANO / "openvino")
        await engine.start()
        assert len((await collect(engine, greedy(PROMPTS[0], 4))).ids) == 4
        await engine.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


async def test_the_engine_process_does_not_outlive_its_owner() -> None:
    """The owner is killed without a chance to clean up, as Ray or the kernel may do."""
    script = (
        "import asyncio, sys\n"
        "from deployments.model.model_files import NANO\n"
        "from deployments.model.engines.openvino import OpenVinoEngine\n"
        "async def main():\n"
        "    engine = OpenVinoEngine('nano', NANO / 'openvino')\n"
        "    await engine.start()\n"
        "    print(engine._child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=NANO.parents[2], stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    engine_pid = int(await owner.stdout.readline())

    owner.kill()
    await owner.wait()

    await until(lambda: not psutil.pid_exists(engine_pid))


async def test_an_exception_in_a_step_fails_all_streams_and_the_health() -> None:
    engine = TransformersEngine("nano", NANO, TorchSizing(threads=1))
    await engine.start()
    try:
        stream = engine.generate(greedy(PROMPTS[0], 900))
        await anext(stream)

        def broken(*_: Any) -> None:
            raise ValueError("a tensor is out of place")

        engine._manager.batch_processor._generation_step = broken

        with pytest.raises(ModelFailed):
            await drained(stream)
        await until(lambda: not engine._manager.is_running())
        with pytest.raises(RuntimeError):
            engine.check_health()
        with pytest.raises(ModelFailed):
            await collect(engine, greedy(PROMPTS[0]))
        assert engine.stats().handlers == 0
    finally:
        await engine.stop()


async def test_a_model_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    for engine in (OpenVinoEngine("x", tmp_path), TransformersEngine("x", tmp_path)):
        with pytest.raises(RuntimeError, match="cannot load"):
            await engine.start()
        await engine.stop()


async def test_leaving_frees_the_slot_within_two_steps() -> None:
    engine = TransformersEngine("nano", NANO, TorchSizing(threads=1))
    await engine.start()
    try:
        stream = engine.generate(greedy(PROMPTS[0], 900))
        await anext(stream)
        before = engine.stats().steps

        await stream.aclose()
        await settled(engine)

        assert engine.stats().steps - before <= 2
    finally:
        await engine.stop()
