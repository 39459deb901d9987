"""Health checks of parts of a machine that are taken away and come back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cluster.health.checks.clock import ClockCheck, read_server_time
from cluster.health.checks.collector import CollectorCheck
from cluster.health.checks.disk import DiskCheck
from cluster.health.checks.objects import ObjectStoreCheck
from cluster.health.checks.store import StoreCheck
from cluster.health.state import DependencyState
from cluster.runtime.clock import SystemClock
from cluster.storage.database import Database, default_url
from cluster.storage.tables import health_probes
from deployments.ingress.health.serve_checks import GcsCheck, ListenerCheck
from deployments.ingress.health.video_checks import SandboxCheck, check_ffmpeg
from deployments.video import capabilities
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from load_tests.benchmarks.faults.injections.small_disk import SmallDisk
from tests.contract.haproxy.replica import Replica
from tests.contract.health.watcher import Watcher

UP, DEGRADED, DOWN = DependencyState.UP, DependencyState.DEGRADED, DependencyState.DOWN


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "disk")
    try:
        disk.__enter__()
    except PermissionError:
        pytest.skip("mounting is not permitted here")
    yield disk
    disk.__exit__(None, None, None)


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[None]:
    """Something accepts connections at the port."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def test_a_full_disk_is_down_until_there_is_room(disk: SmallDisk) -> None:
    async with Watcher(DiskCheck(disk.folder)) as watcher:
        await watcher.until(UP)
        with disk.full():
            await watcher.until(DOWN)
        await watcher.until(UP)

    assert watcher.changes[1].detail == "cannot be written to: No space left on device"


async def test_files_on_a_full_disk_are_down_until_there_is_room(disk: SmallDisk) -> None:
    async with Watcher(ObjectStoreCheck(str(disk.folder / "blobs"))) as watcher:
        await watcher.until(UP)
        with disk.full():
            await watcher.until(DOWN)
        await watcher.until(UP)


async def test_a_database_on_a_full_disk_is_down_until_there_is_room(disk: SmallDisk) -> None:
    database = Database(default_url(disk.folder))
    async with database.begin() as connection:
        await connection.run_sync(health_probes.create)
    async with Watcher(StoreCheck(database, SystemClock(), "node")) as watcher:
        await watcher.until(UP)
        with disk.full():
            await watcher.until(DOWN)
        await watcher.until(UP)
    await database.close()


class OffsetClock(SystemClock):
    """The machine's, set by `offset_s`."""

    offset_s = 0.0

    def wall(self) -> float:  # type: ignore[override]
        return SystemClock.wall() + self.offset_s


async def test_a_clock_that_is_set_wrong_is_degraded_or_down_by_how_much(
    emptied_postgres: str,
) -> None:
    database, clock = Database(emptied_postgres), OffsetClock()

    async def server_time() -> float:
        return await read_server_time(database)

    async with Watcher(ClockCheck(clock, server_time)) as watcher:
        await watcher.until(UP)
        clock.offset_s = 5.0
        await watcher.until(DEGRADED)
        clock.offset_s = 300.0
        await watcher.until(DOWN)
        clock.offset_s = 0.0
        await watcher.until(DEGRADED)  # that it was set is told for a while
    await database.close()

    assert "+300.0 s" in watcher.changes[2].detail
    assert "was set by -300.0 s" in watcher.changes[3].detail


async def test_a_haproxy_that_was_killed_is_down_until_it_is_started_again() -> None:
    with Replica(()) as replica, HAProxyProcess(replica.port) as haproxy:
        check = ListenerCheck(haproxy.stats_port, "127.0.0.1")
        async with Watcher(check) as watcher:
            await watcher.until(UP)
            haproxy.kill()
            await watcher.until(DOWN)
            await asyncio.to_thread(haproxy.start)
            await watcher.until(UP)


async def test_a_gcs_that_accepts_no_connections_is_down_until_it_does() -> None:
    port = free_port()
    async with Watcher(GcsCheck(lambda: f"127.0.0.1:{port}")) as watcher:
        async with listening(port):
            await watcher.until(UP)
        await watcher.until(DOWN)
        async with listening(port):
            await watcher.until(UP)


class NothingLost:
    lost = 0
    last_error = ""


async def test_a_collector_that_accepts_no_connections_is_down_until_it_does() -> None:
    port = free_port()
    check = CollectorCheck(f"http://127.0.0.1:{port}/v1/traces", NothingLost(), SystemClock())
    async with Watcher(check) as watcher:
        async with listening(port):
            await watcher.until(UP)
        await watcher.until(DOWN)
        async with listening(port):
            await watcher.until(UP)


@pytest.mark.parametrize(("is_required", "state"), [(True, DOWN), (False, DEGRADED)])
async def test_a_sandbox_whose_children_cannot_be_started(
    monkeypatch: pytest.MonkeyPatch, is_required: bool, state: DependencyState
) -> None:
    check = SandboxCheck(is_required=is_required)
    here = (await check()).state

    with monkeypatch.context() as away:
        away.setattr(capabilities, "python_binary", lambda: "/nowhere/python")
        found = await check()

    assert found.state is state
    assert found.detail.startswith("no child can be started")
    assert (await check()).state is here


async def test_an_ffmpeg_that_is_not_there_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as away:
        away.setattr(capabilities, "ffmpeg_binary", lambda: "/nowhere/ffmpeg")
        found = await check_ffmpeg()

    assert found.state is DOWN
    assert (await check_ffmpeg()).state is UP
