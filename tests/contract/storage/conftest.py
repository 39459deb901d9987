"""Both stores, empty, or migrated with plans and tenants."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.models import User
from cluster.auth.passwords import Passwords
from cluster.auth.row_macs import RowMacs
from cluster.auth.signing import SigningKeyService
from cluster.auth.user_repository import UserRepository
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database, run_sync
from cluster.tenants.caller import Role, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository, TenantRepository
from tests.servers.fixtures import redis_server
from tests.servers.made_once import made_once
from tests.servers.reused_postgres import PostgresTemplates, ReusedPostgres
from tests.servers.stores import empty_sqlite

__all__ = ["redis_server"]

PEPPER = b"p" * 32
MACS = RowMacs(PEPPER)
PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store without tables."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{tmp_path / 'mobula.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store whose tables are empty."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("emptied_postgres"))
    file = shutil.copy(empty_sqlite(), tmp_path / "store.db")
    return f"sqlite+aiosqlite:///{file}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated store with the plans `free` and `pro`, the tenants `acme` and `other` on free."""
    if request.param == "postgresql":
        postgres: ReusedPostgres = request.getfixturevalue("postgres_with_plans")
        return postgres.restore()
    path = tmp_path / "mobula.db"
    shutil.copy(sqlite_with_plans(), path)
    return f"sqlite+aiosqlite:///{path}"


@cache
def sqlite_with_plans() -> Path:
    return made_once("plans.db", _make_plans)


def _make_plans(file: Path) -> None:
    shutil.copy(empty_sqlite(), file)
    add_plans(f"sqlite+aiosqlite:///{file}")


@pytest.fixture(scope="session")
def postgres_with_plans(migrated_postgres: PostgresTemplates) -> Iterator[ReusedPostgres]:
    with ReusedPostgres(migrated_postgres, add_plans) as database:
        yield database


def add_plans(url: str) -> None:
    run_sync(_fill(url, ManualClock()))


async def _fill(url: str, clock: ManualClock) -> None:
    database = Database(url)
    async with database.begin() as connection:
        for plan in (Plan(id="free"), Plan(id="pro", weight=3.0)):
            await PlanRepository(clock).create(connection, plan)
        for tenant in ("acme", "other"):
            await TenantRepository(clock).create(connection, tenant, tenant.title(), "free")
        await SigningKeyService(PEPPER, clock).ensure(connection)
    await database.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
async def directory(database: Database, clock: ManualClock) -> AsyncIterator[CredentialDirectory]:
    """Loaded, and refreshed by hand."""
    directory = CredentialDirectory(database, PEPPER, clock)
    await directory.refresh()
    yield directory
    await directory.close()


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP)


@pytest.fixture
async def ana(database: Database, clock: ManualClock) -> User:
    """A developer of acme."""
    return await add_user(database, clock, "acme", "ana@acme.example", Role.DEVELOPER)


async def add_user(
    database: Database, clock: ManualClock, tenant: str, email: str, role: Role, id: str = ""
) -> User:
    name, now = id or email.partition("@")[0], clock.wall()
    hashed = CHEAP.hash(PASSWORD)
    user = User(name, tenant, email, hashed, role, "active", now, now, now)
    async with database.begin() as connection:
        await UserRepository(clock, MACS).add(connection, tenant, user)
    return user


async def add_key(
    database: Database, clock: ManualClock, tenant: str = "acme", expires: float | None = None
) -> tuple[str, str]:
    """A key that may generate, and its id."""
    async with database.begin() as connection:
        key, record = await ApiKeyIssuer(PEPPER, clock).create(
            connection,
            tenant,
            name="back end",
            scopes=[Scope.GENERATE],
            created_by="system",
            expires=expires,
        )
    return key, record.id


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Poll; raises TimeoutError when it does not come true."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)
