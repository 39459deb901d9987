"""The keys that sign access tokens: made, sealed, rolled over.

Flows in: a connection. Flows out: the pair that signs now. Private halves are in the store, sealed
under the pepper; public halves are in every directory. A new key waits until all directories know
it before it signs, and an old one goes on verifying until its last token has expired.
"""

import math
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.keys import random_text
from cluster.auth.models import SigningKey
from cluster.auth.repository import SigningKeyRepository
from cluster.auth.row_macs import RowMacs
from cluster.runtime.clock import Clock
from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.locks import Lock, advisory_lock

PURPOSE = "tokens"
KNOWN_AFTER_S = 5.0  # by then every directory has polled
LONGEST_TOKEN_S = 3_600 + 60  # Settings.access_token_s at most, and clocks that differ


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now; `id` is its `kid`."""

    id: str
    private: Ed25519PrivateKey = field(repr=False)


def is_valid_for_verification(retires: float | None, now: float) -> bool:
    """Whether tokens of a key that retires then may still be believed."""
    return retires is None or now < retires + LONGEST_TOKEN_S


class SigningKeyService:
    """Signing keys inside the caller's transaction."""

    def __init__(self, pepper: bytes, clock: Clock) -> None:
        self._sealer = SecretBox(pepper, "signing-keys")
        self._clock = clock
        self._store = SigningKeyRepository(clock, RowMacs(pepper))

    async def ensure(self, connection: AsyncConnection) -> None:
        """Make the first key, or one that this pepper opens when it opens none."""
        await advisory_lock(connection, Lock.SIGNING_KEYS)
        try:
            await self.current(connection)
        except DecryptionFailed:
            await self._retire_all(connection, self._clock.wall())
            await self._make(connection)

    async def current(self, connection: AsyncConnection) -> Signer:
        """The one that retires next. Raises SealBroken when this pepper opens none."""
        now = self._clock.wall()
        keys = await self._store.list(connection, PURPOSE)
        alive = [key for key in keys if key.retires is None or now < key.retires]
        if not alive:
            raise DecryptionFailed("there is no signing key")
        key = min(alive, key=lambda each: math.inf if each.retires is None else each.retires)
        raw = self._sealer.decrypt(key.private, key.id.encode())
        return Signer(key.id, Ed25519PrivateKey.from_private_bytes(raw))

    async def rotate(self, connection: AsyncConnection) -> str:
        """Make the next key and return its id; it signs in a few seconds.

        Keys whose last token is long over are deleted, and rows that are not ours.
        """
        await advisory_lock(connection, Lock.SIGNING_KEYS)
        now = self._clock.wall()
        await self._store.delete_altered(connection)
        for key in await self._store.list(connection, PURPOSE):
            if not is_valid_for_verification(key.retires, now):
                await self._store.delete(connection, key.id)
        await self._retire_all(connection, now + KNOWN_AFTER_S)
        return await self._make(connection)

    async def _retire_all(self, connection: AsyncConnection, at: float) -> None:
        for key in await self._store.list(connection, PURPOSE):
            if key.retires is None:
                await self._store.retire(connection, key, at)

    async def _make(self, connection: AsyncConnection) -> str:
        private, id = Ed25519PrivateKey.generate(), random_text(16)
        sealed = self._sealer.encrypt(private.private_bytes_raw(), id.encode())
        public = private.public_key().public_bytes_raw()
        now = self._clock.wall()
        await self._store.add(connection, SigningKey(id, PURPOSE, sealed, public, now))
        return id
