"""The credential directory as administrative changes see it: refreshed at every ingress replica.

In: `refresh` after the commit of a change. Out: this replica's directory knows it, and so do those
of the others that answer in time, before the change is answered: a key that was just made is not
refused by a replica that has not polled yet. One that does not answer reads the change at its next
poll (cluster/auth/credential_directory.py).
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from cluster.runtime.background import create_detached_task
from cluster.runtime.problems import Problem
from deployments.ingress.scaling import Peers

REPORT: Final = "directory"  # by which the others are asked
WAIT_S = 0.5


class VersionedDirectory(Protocol):
    """cluster/auth/credential_directory.py"""

    @property
    def version(self) -> int:
        """Another number after each change that was read."""
        ...

    async def refresh(self) -> None: ...

    def secret_of(self, tenant: str) -> bytes: ...

    def jwks(self) -> Mapping[str, Any]: ...


class DirectoryBroadcast:
    """Implements `Directory` (cluster/administration/unit_of_work.py). `peers` are all ingress
    replicas; None: this is the only one."""

    def __init__(self, directory: VersionedDirectory) -> None:
        self.peers: Peers | None = None
        self._directory = directory
        self._announced = directory.version
        self._requests: set[asyncio.Task[list[Any]]] = set()

    async def refresh(self) -> None:
        """Most changes are not about what directories hold: then nobody else is asked. Raises
        DatabaseUnavailable."""
        await self._directory.refresh()
        version = self._directory.version
        if self.peers is None or version == self._announced:
            return
        self._announced = version
        request = create_detached_task(self.peers.ask("report", REPORT), name="directory broadcast")
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        await asyncio.wait((request,), timeout=WAIT_S)

    async def refresh_own(self) -> None:
        """For another replica that asks; while the store is away there is nothing new."""
        with suppress(Problem):
            await self._directory.refresh()

    def secret_of(self, tenant: str) -> bytes:
        return self._directory.secret_of(tenant)

    def jwks(self) -> Mapping[str, Any]:
        return self._directory.jwks()
