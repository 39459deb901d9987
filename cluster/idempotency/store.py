"""What makes a POST run once, however often its client sends it under one Idempotency-Key.

Flows in: who asks for what under which key (draft-ietf-httpapi-idempotency-key-header). Flows out:
a Lease for the one who shall run it, or the answer that the first run gave. Answers are kept for a
day, sealed under the tenant's secret; keys and requests only as keyed hashes. Knows no HTTP.
"""

import asyncio
import contextlib
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
from cluster.runtime.background import acquire, create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, IdempotencyKeyReused, Problem
from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.tenants.caller import Caller

HEADER = "Idempotency-Key"
KEPT_S = 86_400.0
MAX_BYTES = 1 << 20  # of an answer; a larger one is not kept
PATIENCE_S = 5.0  # a store that does not answer for so long is down
LOOK_S = 60.0  # between looks for what has expired
_PURPOSE = "idempotency"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """One request: `route` names what is asked for, `payload` is everything that it says."""

    caller: Caller
    route: str
    key: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class IdempotencyLease:
    """The right to run one request; `keep` or `release` it."""

    row: IdempotencyRow


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """How the first run was answered: an HTTP status, and a body in the words of who kept it."""

    status: int
    body: bytes


class IdempotencyStore:
    """One a process. `start` it to have expired answers removed; `close` it."""

    def __init__(self, database: Database, secret_of: Callable[[str], bytes], clock: Clock) -> None:
        """`secret_of` gives a tenant's secret."""
        self._database = database
        self._secret_of = secret_of
        self._clock = clock
        self._pruning: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[bool]] = set()

    async def begin(
        self, asked: IdempotentRequest, lease_s: float
    ) -> IdempotencyLease | StoredResponse:
        """Whether to run it, for `lease_s` seconds, or what was answered.

        Raises Conflict (409) while the first runs, IdempotencyKeyReused (422) where the key stands
        for another request, and StoreDown (503).
        """
        wanted = self._row(asked, lease_s)

        async def take() -> IdempotencyRow:
            async with self._store() as connection:
                return await repository.try_claim(connection, wanted, self._clock.wall())

        async def give_back(row: IdempotencyRow) -> None:
            if row.holder == wanted.holder:
                await self.release(IdempotencyLease(row))

        row = await acquire(take(), give_back)
        if row.holder == wanted.holder:
            return IdempotencyLease(row)
        if not hmac.compare_digest(row.fingerprint, wanted.fingerprint):
            raise IdempotencyKeyReused(
                f"{HEADER}: was sent before with another body or another Accept.", param=HEADER
            )
        if row.status is None or row.answer is None:
            raise Conflict(
                f"{HEADER}: the first request under this key is still running.",
                param=HEADER,
                retry_after_s=1.0,
            )
        return StoredResponse(row.status, self._opened(row, row.answer))

    async def save(self, lease: IdempotencyLease, status: int, body: bytes) -> bool:
        """Answer the same again for a day; whether it will be.

        It will not if the lease was lost, if the body is over MAX_BYTES, or while the store is
        down: then the lease ends by itself. Goes on to its end when the caller is cancelled.
        """
        if len(body) > MAX_BYTES:
            await self.release(lease)
            return False
        done = self._done(lease, status, body)
        return await self._to_end(lambda connection: repository.complete(connection, done))

    async def save_in(
        self, connection: AsyncConnection, lease: IdempotencyLease, status: int, body: bytes
    ) -> None:
        """As `keep`, in the transaction of what was done: both are, or neither. Raises Conflict
        where the lease was lost, so that whoever took it over does it."""
        if not await repository.complete(connection, self._done(lease, status, body)):
            raise Conflict(f"{HEADER}: another request under this key took over.", param=HEADER)

    async def release(self, lease: IdempotencyLease) -> None:
        """The next request under the key runs. Otherwise as `keep`."""
        await self._to_end(lambda connection: repository.release(connection, lease.row))

    async def prune(self) -> int:
        """Remove what has expired; returns how many. Raises StoreDown."""
        removed, more = 0, True
        while more:
            async with self._store() as connection:
                gone = await repository.prune(connection, self._clock.wall())
            removed, more = removed + gone, gone > 0
        return removed

    async def start(self) -> None:
        """Remove what has expired every minute from now on."""
        self._pruning = asyncio.create_task(self._run(), name="idempotency")

    async def close(self) -> None:
        """Ends what is being written. The database stays open."""
        if self._writing:
            await asyncio.wait(self._writing)
        if self._pruning is not None:
            self._pruning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pruning
            self._pruning = None

    async def _run(self) -> None:
        while True:
            try:
                await self.prune()
            except Problem as problem:
                log.warning("expired idempotency keys could not be removed: %s", problem.detail)
            except Exception:
                log.exception("expired idempotency keys could not be removed; it will try again")
            await asyncio.sleep(LOOK_S)

    def _row(self, asked: IdempotentRequest, lease_s: float) -> IdempotencyRow:
        caller, now = asked.caller, self._clock.wall()
        name = (caller.kind, caller.key_id, asked.route, asked.key)
        secret = self._secret_of(caller.tenant)
        return IdempotencyRow(
            tenant=caller.tenant,
            id=_keyed(secret, b"key", "\0".join(name).encode()).hex(),
            fingerprint=_keyed(secret, b"request", asked.payload),
            holder=secrets.token_hex(16),
            leased=now + lease_s,
            expires=now + max(lease_s, KEPT_S),
        )

    def _done(self, lease: IdempotencyLease, status: int, body: bytes) -> IdempotencyRow:
        row = lease.row
        sealed = self._sealer(row.tenant).encrypt(body, _context(row))
        expires = self._clock.wall() + KEPT_S
        return replace(row, status=status, answer=sealed, expires=expires)

    def _opened(self, row: IdempotencyRow, answer: bytes) -> bytes:
        """An answer that does not open can neither be given nor be computed anew."""
        try:
            return self._sealer(row.tenant).decrypt(answer, _context(row))
        except DecryptionFailed:
            log.error("a kept answer of tenant %s does not open", row.tenant)
            raise DatabaseUnavailable from None

    def _sealer(self, tenant: str) -> SecretBox:
        return SecretBox(self._secret_of(tenant), _PURPOSE)

    async def _to_end(self, write: Callable[[AsyncConnection], Awaitable[bool]]) -> bool:
        task = create_detached_task(self._write(write))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def _write(self, write: Callable[[AsyncConnection], Awaitable[bool]]) -> bool:
        try:
            async with self._store() as connection:
                return await write(connection)
        except (Problem, SQLAlchemyError) as error:
            log.warning("how a request with an %s ended could not be kept: %s", HEADER, error)
            return False

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with asyncio.timeout(PATIENCE_S), self._database.begin() as connection:
                yield connection
        except (TimeoutError, PoolTimeout):
            raise DatabaseUnavailable from None


def _keyed(secret: bytes, what: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, b"mobula/idempotency/" + what + b"\0" + said, "sha256")


def _context(row: IdempotencyRow) -> bytes:
    """Binds an answer to its row: moved to another it does not open."""
    return b"\0".join((row.tenant.encode(), row.id.encode(), row.fingerprint))
