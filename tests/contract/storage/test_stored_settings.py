"""What tenants set is stored, and reaches every directory."""

import pytest
from sqlalchemy import insert

from cluster.auth.credential_directory import CredentialDirectory
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import NotFound
from cluster.storage.database import Database
from cluster.storage.tables import tenant_settings
from cluster.tenants.settings import NO_SETTINGS, SettingsRepository, TenantSettings

SET = TenantSettings(default_model="openai/gpt-4o", default_embedding_model="minilm")


async def test_settings_survive_the_store(database: Database, clock: ManualClock) -> None:
    settings = SettingsRepository(clock)
    async with database.begin() as connection:
        assert await settings.get(connection, "acme") == NO_SETTINGS
        for stored in (SET, NO_SETTINGS, SET):
            await settings.put(connection, "acme", stored)
            assert await settings.get(connection, "acme") == stored
        assert await settings.get(connection, "other") == NO_SETTINGS


async def test_a_directory_learns_of_them_by_the_list_of_changes(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    await directory.refresh()
    assert directory.settings_of("acme") == NO_SETTINGS
    async with database.begin() as connection:
        await SettingsRepository(clock).put(connection, "acme", SET)
    await directory.refresh()

    assert directory.settings_of("acme") == SET
    assert directory.settings_of("other") == NO_SETTINGS


async def test_a_directory_that_loads_everything_has_them(
    database: Database, clock: ManualClock
) -> None:
    async with database.begin() as connection:
        await SettingsRepository(clock).put(connection, "acme", SET)
    fresh = CredentialDirectory(database, b"p" * 32, clock)
    await fresh.refresh()

    assert fresh.settings_of("acme") == SET
    with pytest.raises(NotFound):
        fresh.settings_of("nobody")


async def test_settings_of_a_newer_version_are_passed_over(
    database: Database, directory: CredentialDirectory
) -> None:
    """While a cluster is rolled, replicas of this version read what the next one has written."""
    document = {"default_model": "nano", "style": "casual"}
    async with database.begin() as connection:
        row = {"tenant": "acme", "document": document, "updated": 0.0}
        await connection.execute(insert(tenant_settings).values(row))
    fresh = CredentialDirectory(database, b"p" * 32, ManualClock())
    await fresh.refresh()

    assert fresh.settings_of("acme") == TenantSettings(default_model="nano")
