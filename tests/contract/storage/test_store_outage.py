"""A store that goes away: directories go on with what they knew, and catch up afterwards."""

import pytest

from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.keys import ApiKeyIssuer
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Unauthenticated
from cluster.storage.database import Database, DatabaseUnavailable
from tests.contract.storage.conftest import PEPPER, add_key, until
from tests.servers.postgres import PostgresServer
from tests.servers.reused_postgres import ReusedPostgres


@pytest.fixture
def url(postgres_with_plans: ReusedPostgres) -> str:
    """Only PostgreSQL can be away."""
    return postgres_with_plans.restore()


async def test_requests_are_authenticated_while_the_store_is_down(
    database: Database, clock: ManualClock, postgres_server: PostgresServer
) -> None:
    key, id = await add_key(database, clock)
    directory = CredentialDirectory(database, PEPPER, clock)
    await directory.start()
    postgres_server.stop()
    try:
        await until(lambda: directory.failures >= 2)
        clock.advance(1)
        assert directory.verify(key).tenant == "acme"
        assert directory.age_s >= 1
        with pytest.raises(DatabaseUnavailable):
            await directory.refresh()
        with pytest.raises(DatabaseUnavailable):
            await CredentialDirectory(database, PEPPER, clock).start()
        with pytest.raises(DatabaseUnavailable):
            await directory.tidy()
    finally:
        postgres_server.start()
    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)
    await until(lambda: directory.age_s == 0)
    await directory.refresh()
    with pytest.raises(Unauthenticated):
        directory.verify(key)
    await directory.close()
