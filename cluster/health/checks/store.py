"""Whether the relational database takes a write and gives it back, in transactions of its own."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from cluster.health.state import UP, CheckOutcome, down
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.storage.tables import health_probes

AGREEMENT_S = 600.0  # other replicas of a machine write the same row, by the same clock


class StoreCheck:
    """Writes one row for each `node`, so the table does not grow. Raises DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock, node: str) -> None:
        self._database = database
        self._clock = clock
        self._node = node

    async def __call__(self) -> CheckOutcome:
        at = self._clock.wall()
        async with self._database.begin() as connection:
            dialect: Any = sqlite if self._database.is_sqlite else postgresql
            row = {"node": self._node, "at": at}
            statement = dialect.insert(health_probes).values(row)
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["node"], set_=row)
            )
        query = select(health_probes.c.at).where(health_probes.c.node == self._node)
        async with self._database.read() as connection:
            found = (await connection.execute(query)).scalar_one_or_none()
        if found is None or abs(found - at) > AGREEMENT_S:
            return down("a row that was written cannot be read")
        return UP
