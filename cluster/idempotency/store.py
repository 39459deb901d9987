"""Idempotency: a POST with an Idempotency-Key runs once.

In: a request and its key (draft-ietf-httpapi-idempotency-key-header). Out: a lease to run it, or
the response of the first run. Responses are stored for a day, encrypted with the tenant's secret;
keys and requests only as keyed hashes. Knows no HTTP.
"""

import asyncio
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.idempotency import repository
from cluster.idempotency.repository import IdempotencyRow
from cluster.runtime.background import PeriodicTask, acquire, create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, IdempotencyKeyReused, Problem
from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.storage.expiry import delete_expired
from cluster.storage.tables import idempotency_keys
from cluster.tenants.caller import Caller

HEADER = "Idempotency-Key"
RETENTION_S = 86_400.0
MAX_BYTES = 1 << 20  # of a response; larger ones are not stored
TIMEOUT_S = 5.0  # timeout of a transaction
PRUNE_INTERVAL_S = 60.0  # between deletions of expired rows
_PURPOSE = "idempotency"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request: `route` is the operation, `payload` the complete content."""

    caller: Caller
    route: str
    key: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class IdempotencyLease:
    """The lease to run one request; `save` or `release` it."""

    row: IdempotencyRow


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response of the first run: HTTP status and serialized body."""

    status: int
    body: bytes


class IdempotencyStore:
    """The store of a process. `start` begins to delete expired responses; `close` it."""

    def __init__(self, database: Database, secret_of: Callable[[str], bytes], clock: Clock) -> None:
        """`secret_of` returns a tenant's secret."""
        self._database = database
        self._secret_of = secret_of
        self._clock = clock
        self._pruning = PeriodicTask(
            self.prune, PRUNE_INTERVAL_S, "deletion of expired idempotency keys"
        )
        self._writing: set[asyncio.Task[bool]] = set()

    async def begin(
        self, request: IdempotentRequest, lease_s: float
    ) -> IdempotencyLease | StoredResponse:
        """A lease of `lease_s` seconds to run the request, or the stored response.

        Raises Conflict (409) while the first request runs, IdempotencyKeyReused (422) if the key
        belongs to a different request, DatabaseUnavailable (503).
        """
        new_row = self._row(request, lease_s)

        async def claim_row() -> IdempotencyRow:
            async with self._store() as connection:
                return await repository.try_claim(connection, new_row, self._clock.wall())

        async def release_row(row: IdempotencyRow) -> None:
            if row.holder == new_row.holder:
                await self.release(IdempotencyLease(row))

        row = await acquire(claim_row(), release_row)
        if row.holder == new_row.holder:
            return IdempotencyLease(row)
        if not hmac.compare_digest(row.fingerprint, new_row.fingerprint):
            raise IdempotencyKeyReused(
                f"{HEADER}: was sent before with another body or another Accept.", param=HEADER
            )
        if row.status is None or row.answer is None:
            raise Conflict(
                f"{HEADER}: the first request under this key is still running.",
                param=HEADER,
                retry_after_s=1.0,
            )
        return StoredResponse(row.status, self._decrypt_response(row, row.answer))

    async def save(self, lease: IdempotencyLease, status: int, body: bytes) -> bool:
        """Stores the response for a day; returns whether it was stored.

        It is not if the lease was lost, the body is over MAX_BYTES, or the database is down: then
        the lease expires. A cancellation of the caller does not interrupt it.
        """
        if len(body) > MAX_BYTES:
            await self.release(lease)
            return False
        done = self._completed_row(lease, status, body)
        return await self._run_write(lambda connection: repository.complete(connection, done))

    async def save_in(
        self, connection: AsyncConnection, lease: IdempotencyLease, status: int, body: bytes
    ) -> None:
        """Like `save`, in the transaction of the request's effect. Raises Conflict if the lease was
        lost to another run."""
        if not await repository.complete(connection, self._completed_row(lease, status, body)):
            raise Conflict(f"{HEADER}: another request under this key took over.", param=HEADER)

    async def release(self, lease: IdempotencyLease) -> None:
        """Releases the lease, so that the next request with the key runs. Otherwise like `save`."""
        await self._run_write(lambda connection: repository.release(connection, lease.row))

    async def prune(self) -> int:
        """Deletes expired rows; returns the number. Raises DatabaseUnavailable."""
        return await delete_expired(self._store, idempotency_keys, self._clock)

    async def start(self) -> None:
        """Starts to delete expired rows every minute."""
        self._pruning.start()

    async def close(self) -> None:
        """Waits for writes in progress. The database stays open."""
        if self._writing:
            await asyncio.wait(self._writing)
        await self._pruning.close()

    def _row(self, request: IdempotentRequest, lease_s: float) -> IdempotencyRow:
        caller, now = request.caller, self._clock.wall()
        name = (caller.kind, caller.key_id, request.route, request.key)
        secret = self._secret_of(caller.tenant)
        return IdempotencyRow(
            tenant=caller.tenant,
            id=_keyed_hash(secret, b"key", "\0".join(name).encode()).hex(),
            fingerprint=_keyed_hash(secret, b"request", request.payload),
            holder=secrets.token_hex(16),
            leased=now + lease_s,
            expires=now + max(lease_s, RETENTION_S),
        )

    def _completed_row(self, lease: IdempotencyLease, status: int, body: bytes) -> IdempotencyRow:
        row = lease.row
        sealed = self._sealer(row.tenant).encrypt(body, _context(row))
        expires = self._clock.wall() + RETENTION_S
        return replace(row, status=status, answer=sealed, expires=expires)

    def _decrypt_response(self, row: IdempotencyRow, answer: bytes) -> bytes:
        """Decrypts a stored response; one that fails can be neither returned nor recomputed."""
        try:
            return self._sealer(row.tenant).decrypt(answer, _context(row))
        except DecryptionFailed:
            log.error("a stored response of tenant %s cannot be decrypted", row.tenant)
            raise DatabaseUnavailable from None

    def _sealer(self, tenant: str) -> SecretBox:
        return SecretBox(self._secret_of(tenant), _PURPOSE)

    async def _run_write(self, write: Callable[[AsyncConnection], Awaitable[bool]]) -> bool:
        task = create_detached_task(self._write(write))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def _write(self, write: Callable[[AsyncConnection], Awaitable[bool]]) -> bool:
        try:
            async with self._store() as connection:
                return await write(connection)
        except (Problem, SQLAlchemyError) as error:
            log.warning(
                "the response of a request with an %s could not be stored: %s", HEADER, error
            )
            return False

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._database.begin() as connection:
                yield connection
        except (TimeoutError, PoolTimeout):
            raise DatabaseUnavailable from None


def _keyed_hash(secret: bytes, purpose: bytes, value: bytes) -> bytes:
    return hmac.digest(secret, b"mobula/idempotency/" + purpose + b"\0" + value, "sha256")


def _context(row: IdempotencyRow) -> bytes:
    """The encryption context, which binds a response to its row."""
    return b"\0".join((row.tenant.encode(), row.id.encode(), row.fingerprint))
