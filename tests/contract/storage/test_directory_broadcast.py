"""A key that one replica has made is known to another one, which has not polled since."""

from typing import Any

from cluster.auth.credential_directory import CredentialDirectory
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.ingress.directory_broadcast import REPORT, DirectoryBroadcast
from tests.contract.storage.conftest import PEPPER, add_key


class OtherReplica:
    """Answers as its process would."""

    def __init__(self, broadcast: DirectoryBroadcast) -> None:
        self._reports = {REPORT: broadcast.refresh_own}

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        [name] = arguments
        return [await self._reports[name]()]


async def test_a_new_key_is_valid_at_once_at_every_replica(
    database: Database, clock: ManualClock
) -> None:
    here, there = (CredentialDirectory(database, PEPPER, clock) for _ in range(2))
    await here.refresh()
    await there.refresh()
    broadcast = DirectoryBroadcast(here)
    broadcast.peers = OtherReplica(DirectoryBroadcast(there))

    key, _ = await add_key(database, clock)
    await broadcast.refresh()

    assert there.verify(key) == here.verify(key)
