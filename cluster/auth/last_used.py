"""When each key was last used: noted in memory by every request, written now and then.

At most one entry for each key in use. What cannot be written is kept for the next time; what a
killed process had not written is lost, at most one interval's worth.
"""

from collections import defaultdict

from cluster.auth.repository import ApiKeyRepository
from cluster.auth.row_macs import RowMacs
from cluster.runtime.clock import Clock
from cluster.storage.database import Database


class LastUsed:
    """Unix seconds by tenant and key."""

    def __init__(self, database: Database, clock: Clock, macs: RowMacs) -> None:
        self._database = database
        self._keys = ApiKeyRepository(clock, macs)
        self._used: dict[tuple[str, str], float] = {}

    def note(self, tenant: str, key: str, at: float) -> None:
        self._used[tenant, key] = at

    async def flush(self) -> None:
        """Write what was noted; kept for the next time when that fails. Raises StoreDown."""
        taken, self._used = self._used, {}
        by_tenant: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for (tenant, key), at in taken.items():
            by_tenant[tenant][key] = at
        try:
            if taken:
                async with self._database.begin() as connection:
                    for tenant in sorted(by_tenant):
                        await self._keys.touch(connection, tenant, by_tenant[tenant])
        except BaseException:
            self._used = taken | self._used
            raise
