"""Health checks over servers that are stopped, frozen and started again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from cluster.health.checks.clock import ClockCheck, read_server_time
from cluster.health.checks.objects import ObjectStoreCheck
from cluster.health.checks.store import StoreCheck
from cluster.health.state import DependencyState
from cluster.runtime.clock import ManualClock, SystemClock
from cluster.storage.database import Database
from cluster.storage.tables import health_probes
from deployments.ingress.health.limits_and_cache import RedisCheck
from tests.contract.health.watcher import Watcher
from tests.servers.postgres import PostgresServer
from tests.servers.redis_cluster import RedisClusterServers
from tests.servers.redis_server import RedisServer

UP, DOWN = DependencyState.UP, DependencyState.DOWN


async def test_a_store_takes_a_probe_and_gives_it_back_and_holds_one_row(
    database: Database,
) -> None:
    check = StoreCheck(database, SystemClock(), "10.0.0.1")

    assert [(await check()).state for _ in range(3)] == [UP, UP, UP]
    async with database.read() as connection:
        count = (await connection.execute(select(func.count()).select_from(health_probes))).scalar()
    assert count == 1


@pytest.fixture
async def postgres(emptied_postgres: str) -> AsyncIterator[Database]:
    database = Database(emptied_postgres)
    yield database
    await database.close()


async def test_a_stopped_store_is_down_until_it_is_started_again(
    postgres: Database, postgres_server: PostgresServer
) -> None:
    async with Watcher(StoreCheck(postgres, SystemClock(), "node")) as watcher:
        await watcher.until(UP)
        postgres_server.stop()
        try:
            await watcher.until(DOWN)
        finally:
            postgres_server.start()
        await watcher.until(UP)

    assert [change.after for change in watcher.changes] == [UP, DOWN, UP]
    assert "password" not in watcher.changes[1].detail


async def test_the_server_s_clock_is_compared_with_this_machine_s(postgres: Database) -> None:
    async def server_time() -> float:
        return await read_server_time(postgres)

    assert (await ClockCheck(SystemClock(), server_time)()).state is UP
    assert (await ClockCheck(ManualClock(wall=0.0), server_time)()).state is DOWN


async def test_a_redis_that_is_stopped_or_hangs_is_down(redis_server: RedisServer) -> None:
    check = RedisCheck(redis_server.url)
    async with Watcher(check) as watcher:
        await watcher.until(UP)
        redis_server.stop()
        await watcher.until(DOWN)
        redis_server.restart()
        await watcher.until(UP)
        redis_server.freeze()
        await watcher.until(DOWN)
        redis_server.thaw()
        await watcher.until(UP)
    await check.close()


async def test_a_redis_that_takes_no_writes_is_down(redis_server: RedisServer) -> None:
    check = RedisCheck(redis_server.url)
    async with Redis.from_url(redis_server.url) as admin:
        await admin.config_set("maxmemory", "1")
        try:
            found = await check()
        finally:
            await admin.config_set("maxmemory", "0")

    assert (found.state, found.detail) == (DOWN, "OutOfMemoryError")
    assert (await check()).state is UP
    await check.close()


async def test_every_master_of_a_redis_cluster_is_asked(redis_cluster: RedisClusterServers) -> None:
    check = RedisCheck(redis_cluster.url)

    assert (await check()).state is UP
    await check.close()


async def test_a_folder_takes_an_object_and_one_that_is_a_file_does_not(tmp_path: Path) -> None:
    check = ObjectStoreCheck(str(tmp_path / "blobs"))
    assert (await check()).state is UP
    assert (await check()).state is UP

    (tmp_path / "file").write_bytes(b"")
    found = await ObjectStoreCheck(str(tmp_path / "file"))()
    assert found.state is DOWN
