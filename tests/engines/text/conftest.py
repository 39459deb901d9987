"""Every engine, built on the shipped nano model, for one contract."""

import importlib.util
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from deployments.contracts.engine import Engine
from deployments.model.engines.echo import EchoEngine
from deployments.model.engines.openvino import OpenVinoEngine, OpenVinoSizing
from deployments.model.engines.transformers import TorchSizing, TransformersEngine
from deployments.model.engines.vllm import VllmEngine, VllmSizing
from deployments.model.model_files import NANO

MAX_RUNNING = 16

BUILDERS: dict[str, Callable[[], Engine]] = {
    "echo": lambda: EchoEngine(MAX_RUNNING),
    "openvino": lambda: OpenVinoEngine(
        "nano", NANO / "openvino", OpenVinoSizing(MAX_RUNNING, 16 * 1024)
    ),
    "transformers": lambda: TransformersEngine(
        "nano", NANO, TorchSizing(MAX_RUNNING, 16 * 1024, threads=1)
    ),
    "vllm": lambda: VllmEngine("nano", NANO, VllmSizing(1024, MAX_RUNNING)),
}

ENGINES = [
    "echo",
    "openvino",
    "transformers",
    pytest.param(
        "vllm",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("vllm") is None, reason="vllm is not installed"
        ),
    ),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=ENGINES)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """One started engine for all tests of a module; a test leaves it quiet."""
    built = BUILDERS[request.param]()
    await built.start()
    yield built
    await built.stop()


@pytest.fixture(params=ENGINES)
def build(request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """Makes a fresh engine, for tests that break or stop it."""
    return BUILDERS[request.param]
