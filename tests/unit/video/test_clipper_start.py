"""A worker's replica while it starts: its event loop runs, so it answers health checks."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from deployments.video import deployment
from deployments.video.config import VideoConfig
from deployments.video.deployment import ClipperReplica
from tests.cluster.polling import eventually


class Worker:
    def __init__(self) -> None:
        self.is_started = False

    async def start(self) -> None:
        self.is_started = True

    async def close(self) -> None: ...


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The modules of a worker are loaded once this is set, as on a machine that is busy."""
    loaded = threading.Event()
    context: Any = type("Context", (), {"app_name": "mobula"})
    monkeypatch.setattr(deployment.serve, "get_replica_context", lambda: context)
    monkeypatch.setattr(deployment, "START_DELAY_S", 0.0)
    monkeypatch.setattr(deployment, "_load_modules", lambda: loaded.wait(20))
    yield loaded
    loaded.set()


async def test_it_is_healthy_while_its_modules_are_loaded(
    imports: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()
    monkeypatch.setattr(deployment, "_build_worker", lambda *_: worker)
    replica = ClipperReplica.__new__(ClipperReplica)
    await replica.__init__(VideoConfig())  # type: ignore[misc]  # as Serve does
    try:
        async with asyncio.timeout(60):
            for _ in range(3):
                await asyncio.sleep(0)
                await replica.check_health()
        assert not worker.is_started
        imports.set()
        await eventually(lambda: worker.is_started)
    finally:
        await replica.close()
