"""Making a home ready: the first admin key, and what later starts leave alone."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from cluster.auth.bootstrap import bootstrap
from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.sessions import Sessions
from cluster.auth.signing import SigningKeyService
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Unauthenticated
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import admin_key, load_pepper, store_url
from cluster.storage.database import Database
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan

GIVEN = "mob_operator_" + "A1b2" * 8
CLOCK = SystemClock()


@pytest.fixture
def settings(migrated_url: str, tmp_path: Path) -> Settings:
    """A home that does not exist, and a store whose tables are empty."""
    return Settings(home=tmp_path / "home", database_url=SecretStr(migrated_url))


@pytest.fixture
def unprepared(empty_url: str, tmp_path: Path) -> Settings:
    """A home that does not exist, and a store without tables: in that home where it is SQLite."""
    url = SecretStr(empty_url) if empty_url.startswith("postgresql") else None
    return Settings(home=tmp_path / "home", database_url=url)


async def _caller(settings: Settings, key: str) -> Caller:
    database = Database(store_url(settings.home, settings))
    directory = CredentialDirectory(database, load_pepper(settings.home, settings), CLOCK)
    await directory.refresh()
    await database.close()
    return directory.verify(key)


async def test_the_first_start_makes_an_admin_key_and_later_ones_keep_it(
    unprepared: Settings,
) -> None:
    first = bootstrap(unprepared.home, unprepared)
    again = bootstrap(unprepared.home, unprepared)

    assert first is not None
    assert again is None
    assert admin_key(unprepared.home, unprepared) == first
    caller = await _caller(unprepared, first)
    assert (caller.tenant, caller.plan, caller.scopes) == ("default", "default", {Scope.ADMIN})


async def test_the_default_plan_limits_nothing(settings: Settings) -> None:
    bootstrap(settings.home, settings)
    database = Database(store_url(settings.home, settings))
    directory = CredentialDirectory(database, b"", CLOCK)
    await directory.refresh()
    await database.close()

    assert directory.tenant("default").plan == Plan(id="default", name="No limits")


def test_only_the_owner_can_read_what_is_retained(unprepared: Settings) -> None:
    unprepared.home.mkdir(mode=0o755)

    bootstrap(unprepared.home, unprepared)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in unprepared.home.iterdir()}
    assert stat.S_IMODE(unprepared.home.stat().st_mode) == 0o700
    assert modes["pepper"] == modes["admin.key"] == 0o600


def test_the_store_holds_no_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    key = bootstrap(tmp_path, settings)

    assert key is not None
    for path in tmp_path.glob("mobula.db*"):
        assert key.rpartition("_")[2].encode() not in path.read_bytes()


async def test_a_given_bootstrap_key_replaces_the_generated_one(settings: Settings) -> None:
    generated = bootstrap(settings.home, settings)
    given = settings.model_copy(update={"bootstrap_key": SecretStr(GIVEN)})

    shown = bootstrap(settings.home, given)

    assert generated is not None
    assert shown is None
    assert admin_key(settings.home, given) == GIVEN
    assert not (settings.home / "admin.key").exists()
    assert (await _caller(given, GIVEN)).tenant == "default"
    with pytest.raises(Unauthenticated):
        await _caller(given, generated)


async def test_other_keys_survive_a_new_bootstrap_key(settings: Settings) -> None:
    bootstrap(settings.home, settings)
    database = Database(store_url(settings.home, settings))
    pepper = load_pepper(settings.home, settings)
    async with database.begin() as connection:
        key, _ = await ApiKeyIssuer(pepper, CLOCK).create(
            connection, "default", name="mine", scopes=[Scope.GENERATE], created_by="system"
        )
    await database.close()

    bootstrap(settings.home, settings.model_copy(update={"bootstrap_key": SecretStr(GIVEN)}))

    assert (await _caller(settings, key)).tenant == "default"


async def test_a_revoked_bootstrap_key_is_not_brought_back(settings: Settings) -> None:
    key = bootstrap(settings.home, settings)
    assert key is not None
    database = Database(store_url(settings.home, settings))
    pepper = load_pepper(settings.home, settings)
    async with database.begin() as connection:
        await ApiKeyIssuer(pepper, CLOCK).revoke(connection, "default", key.split("_")[1])
    await database.close()

    assert bootstrap(settings.home, settings) is None
    with pytest.raises(Unauthenticated):
        await _caller(settings, key)

    (settings.home / "admin.key").unlink()
    new = bootstrap(settings.home, settings)
    assert new is not None
    await _caller(settings, new)


async def test_a_new_pepper_keeps_the_admin_key_and_signs_again(settings: Settings) -> None:
    key = bootstrap(settings.home, settings)
    peppered = settings.model_copy(update={"pepper": SecretStr("pepper of several nodes " * 2)})

    assert bootstrap(settings.home, peppered) is None

    assert key is not None
    assert (await _caller(peppered, key)).tenant == "default"
    database = Database(store_url(settings.home, settings))
    Sessions(database, load_pepper(settings.home, peppered), CLOCK)
    async with database.begin() as connection:
        await SigningKeyService(load_pepper(settings.home, peppered), CLOCK).current(connection)
    await database.close()


def test_a_bootstrap_key_of_the_wrong_shape_is_refused(settings: Settings) -> None:
    wrong = settings.model_copy(update={"bootstrap_key": SecretStr("hunter2")})

    with pytest.raises(ValueError, match="mob_<id>_<secret>"):
        bootstrap(settings.home, wrong)


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValidationError, match="32 characters"):
        Settings(pepper=SecretStr("short"))


async def test_a_given_metrics_key_reads_metrics_alone_and_stands_beside_the_admin_key(
    settings: Settings,
) -> None:
    metrics = "mob_metrics_" + "A1b2" * 8
    given = settings.model_copy(update={"metrics_key": SecretStr(metrics)})
    admin = bootstrap(given.home, given)
    bootstrap(given.home, given)

    assert admin is not None
    assert (await _caller(given, admin)).scopes == {Scope.ADMIN}
    assert (await _caller(given, metrics)).scopes == {Scope.METRICS_READ}

    changed = given.model_copy(update={"metrics_key": SecretStr(metrics + "x")})
    bootstrap(changed.home, changed)
    with pytest.raises(Unauthenticated):
        await _caller(changed, metrics)
    assert (await _caller(changed, admin)).scopes == {Scope.ADMIN}
