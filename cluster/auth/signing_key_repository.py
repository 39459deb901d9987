"""SQL of signing keys.

Methods take the caller's connection first and never commit. Changes for directories are written to
the table `changes` in the same transaction. Rows without a valid MAC are ignored (row_macs.py).
"""

from dataclasses import asdict, replace

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.models import SigningKey
from cluster.auth.row_macs import RowMacs, stored_values
from cluster.auth.rows import record_fields
from cluster.runtime.clock import Clock
from cluster.storage.tables import signing_keys
from cluster.tenants.repository import record_change


class SigningKeyRepository:
    """Signing keys; they belong to the cluster, not to a tenant."""

    def __init__(self, clock: Clock, macs: RowMacs) -> None:
        self._clock = clock
        self._macs = macs

    async def add(self, connection: AsyncConnection, key: SigningKey) -> None:
        values = self._macs.signed(signing_keys, asdict(key))
        await connection.execute(insert(signing_keys).values(**values))
        await record_change(connection, self._clock, "signing_key", key.id)

    async def list(self, connection: AsyncConnection, purpose: str) -> tuple[SigningKey, ...]:
        """Keys with a valid MAC, oldest first; there are only a few."""
        statement = stored_values(signing_keys).where(signing_keys.c.purpose == purpose)
        ordered = statement.order_by(signing_keys.c.created, signing_keys.c.id)
        rows = (await connection.execute(ordered)).all()
        genuine_rows = self._macs.all_genuine(signing_keys, rows)
        return tuple(SigningKey(**record_fields(SigningKey, values)) for values in genuine_rows)

    async def retire(self, connection: AsyncConnection, key: SigningKey, at: float) -> None:
        values = self._macs.signed(signing_keys, asdict(replace(key, retires=at)))
        statement = update(signing_keys).where(signing_keys.c.id == key.id).values(**values)
        await connection.execute(statement)
        await record_change(connection, self._clock, "signing_key", key.id)

    async def delete(self, connection: AsyncConnection, key: str) -> None:
        await connection.execute(delete(signing_keys).where(signing_keys.c.id == key))
        await record_change(connection, self._clock, "signing_key", key)

    async def delete_altered(self, connection: AsyncConnection) -> None:
        """Deletes rows without a valid MAC, which `mobula audit verify` reports."""
        rows = (await connection.execute(stored_values(signing_keys))).all()
        for row in rows:
            if self._macs.genuine(signing_keys, row) is None:
                await self.delete(connection, str(row.id))
