"""Stored responses: what `/v1/responses` retrieves, and what a request may continue.

In: a tenant's response, serialized, and the one that it continues. Out: the same by id, and the
chain of those before it. Content is encrypted with the tenant's secret. A response expires
`retention_s` after it was made or last continued; of each tenant so many and so many bytes are
stored, and those that expire first make room. Knows no HTTP.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.responses import repository
from cluster.responses.repository import ResponseRow
from cluster.runtime.background import PeriodicTask, run_to_end
from cluster.runtime.clock import Clock
from cluster.runtime.problems import InvalidRequest, NotFound, Problem
from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.expiry import delete_expired
from cluster.storage.tables import stored_responses

MAX_CHAIN = 1_000  # responses
MAX_CHAIN_BYTES = 4 << 20
MAX_BYTES = 4 << 20  # of one response
TIMEOUT_S = 5.0  # of a transaction
PRUNE_INTERVAL_S = 60.0  # between deletions of expired rows
_PURPOSE = "responses"
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")  # other text is no response's id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ResponseLimits:
    """`retention_s` is in seconds; the others bound what is stored of each tenant."""

    retention_s: float = 30 * 86_400.0
    max_count: int = 10_000
    max_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class ResponseRecord:
    """`previous` is the id of the response that this one continues."""

    id: str
    previous: str | None
    content: bytes


class ResponseStore:
    """The store of a process. `start` begins to delete expired responses; `close` it.

    Every method but `save` raises DatabaseUnavailable.
    """

    def __init__(
        self,
        database: Database,
        secret_of: Callable[[str], bytes],
        clock: Clock,
        limits: ResponseLimits,
    ) -> None:
        """`secret_of` returns a tenant's secret."""
        self._database = database
        self._secret_of = secret_of
        self._clock = clock
        self._limits = limits
        self._pruning = PeriodicTask(self.prune, PRUNE_INTERVAL_S, "deletion of expired responses")

    async def save(self, tenant: str, record: ResponseRecord) -> bool:
        """Stores the response and extends the life of the chain that it continues.

        False where it is not stored: it is over MAX_BYTES, the limits allow none, or the database
        is down. A cancellation of the caller does not interrupt it.
        """
        limits, now = self._limits, self._clock.wall()
        size, expires = len(record.content), now + limits.retention_s
        if size > min(MAX_BYTES, limits.max_bytes) or limits.retention_s <= 0:
            return False
        sealed = self._box(tenant).encrypt(record.content, _context(tenant, record.id))
        row = ResponseRow(tenant, record.id, record.previous, now, expires, size, sealed)
        try:
            await run_to_end(self._write(row))
        except (Problem, SQLAlchemyError) as error:
            log.warning("response %s could not be stored: %s", record.id, error)
            return False
        return True

    async def get(self, tenant: str, id: str) -> ResponseRecord:
        """Raises NotFound."""
        found = await self.find(tenant, [id])
        if not found:
            raise NotFound(f"There is no response '{id[:100]}'.", param="response_id")
        return found[0]

    async def find(self, tenant: str, ids: Sequence[str]) -> list[ResponseRecord]:
        """Those of the ids that are stored."""
        well_formed = [id for id in ids if _ID.fullmatch(id)]
        if not well_formed:
            return []
        async with self._read() as connection:
            rows = await repository.find(connection, tenant, well_formed, self._clock.wall())
        return [self._open(row) for row in rows]

    async def chain(self, tenant: str, id: str) -> list[ResponseRecord]:
        """The response and all that it continues, oldest first.

        Raises NotFound naming `previous_response_id` where one of them is not stored any more,
        InvalidRequest where they are over MAX_CHAIN or MAX_CHAIN_BYTES.
        """
        field, now = "previous_response_id", self._clock.wall()
        unknown = NotFound(f"{field}: there is no response '{id[:100]}'.", param=field)
        if not _ID.fullmatch(id):
            raise unknown
        async with self._read() as connection:
            links = await repository.chain(connection, tenant, id, now, MAX_CHAIN + 1)
            if not links:
                raise unknown
            if len(links) > MAX_CHAIN or sum(link.size for link in links) > MAX_CHAIN_BYTES:
                raise InvalidRequest(
                    f"{field}: the conversation is over {MAX_CHAIN} responses or "
                    f"{MAX_CHAIN_BYTES} bytes.",
                    param=field,
                )
            if (missing := links[-1].previous) is not None:
                raise NotFound(
                    f"{field}: '{id[:100]}' continues '{missing}', which is no longer stored.",
                    param=field,
                )
            ids = [link.id for link in links]
            rows = {row.id: row for row in await repository.find(connection, tenant, ids, now)}
        return [self._open(rows[each]) for each in reversed(ids)]

    async def delete(self, tenant: str, id: str) -> None:
        """Raises NotFound."""
        removed = False
        if _ID.fullmatch(id):
            async with self._begin() as connection:
                removed = await repository.remove(connection, tenant, id, self._clock.wall())
        if not removed:
            raise NotFound(f"There is no response '{id[:100]}'.", param="response_id")

    async def prune(self) -> int:
        """Deletes expired rows; returns the number."""
        return await delete_expired(self._begin, stored_responses, self._clock)

    async def start(self) -> None:
        """Starts to delete expired rows every minute."""
        self._pruning.start()

    async def close(self) -> None:
        """The database stays open."""
        await self._pruning.close()

    async def _write(self, row: ResponseRow) -> None:
        tenant, limits = row.tenant, self._limits
        async with self._begin() as connection:
            await repository.add(connection, row)
            if row.previous is not None:
                links = await repository.chain(
                    connection, tenant, row.previous, row.created, MAX_CHAIN
                )
                ids = [link.id for link in links]
                await repository.extend(connection, tenant, ids, row.expires)
            await repository.trim(
                connection, tenant, limits.max_count, limits.max_bytes, row.created
            )

    def _open(self, row: ResponseRow) -> ResponseRecord:
        try:
            content = self._box(row.tenant).decrypt(row.content, _context(row.tenant, row.id))
        except DecryptionFailed:
            log.error("a stored response of tenant %s cannot be decrypted", row.tenant)
            raise DatabaseUnavailable from None
        return ResponseRecord(row.id, row.previous, content)

    def _box(self, tenant: str) -> SecretBox:
        return SecretBox(self._secret_of(tenant), _PURPOSE)

    def _begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return _timed(self._database.begin())

    def _read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return _timed(self._database.read())


def open_content(secret: bytes, tenant: str, id: str, sealed: bytes) -> bytes:
    """The content of a row in plain. Raises DecryptionFailed."""
    return SecretBox(secret, _PURPOSE).decrypt(sealed, _context(tenant, id))


@asynccontextmanager
async def _timed(
    transaction: AbstractAsyncContextManager[AsyncConnection],
) -> AsyncIterator[AsyncConnection]:
    try:
        async with asyncio.timeout(TIMEOUT_S), transaction as connection:
            yield connection
    except (TimeoutError, PoolTimeout):
        raise DatabaseUnavailable from None


def _context(tenant: str, id: str) -> bytes:
    """The encryption context, which binds content to its row."""
    return f"{tenant}\0{id}".encode()
