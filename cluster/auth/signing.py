"""Keys that sign access tokens: creation, encryption, rotation.

In: a connection. Out: the current signing key. Private keys are stored encrypted with the pepper;
public keys are in every directory. A new key signs once all directories know it; an old one
verifies until its last token has expired.
"""

import math
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.keys import random_text
from cluster.auth.models import SigningKey
from cluster.auth.row_macs import RowMacs
from cluster.auth.signing_key_repository import SigningKeyRepository
from cluster.runtime.clock import Clock
from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.locks import Lock, advisory_lock

PURPOSE = "tokens"
PROPAGATION_S = 5.0  # until every directory has polled
MAX_TOKEN_AGE_S = 3_600 + 60  # the maximum of Settings.access_token_s, and clock skew


@dataclass(frozen=True, slots=True)
class Signer:
    """The current signing key; `id` is its `kid`."""

    id: str
    private: Ed25519PrivateKey = field(repr=False)


def is_valid_for_verification(retires: float | None, now: float) -> bool:
    """Whether tokens of a key that retires then may still be valid."""
    return retires is None or now < retires + MAX_TOKEN_AGE_S


class SigningKeyService:
    """Manages signing keys in the caller's transaction."""

    def __init__(self, pepper: bytes, clock: Clock) -> None:
        self._sealer = SecretBox(pepper, "signing-keys")
        self._clock = clock
        self._store = SigningKeyRepository(clock, RowMacs(pepper))

    async def ensure(self, connection: AsyncConnection) -> None:
        """Creates a key if there is none that this pepper decrypts."""
        await advisory_lock(connection, Lock.SIGNING_KEYS)
        try:
            await self.current(connection)
        except DecryptionFailed:
            await self._retire_all(connection, self._clock.wall())
            await self._create(connection)

    async def current(self, connection: AsyncConnection) -> Signer:
        """The key that retires next. Raises DecryptionFailed if this pepper decrypts none."""
        now = self._clock.wall()
        keys = await self._store.list(connection, PURPOSE)
        active = [key for key in keys if key.retires is None or now < key.retires]
        if not active:
            raise DecryptionFailed("there is no signing key")
        key = min(active, key=lambda key_: math.inf if key_.retires is None else key_.retires)
        raw = self._sealer.decrypt(key.private, key.id.encode())
        return Signer(key.id, Ed25519PrivateKey.from_private_bytes(raw))

    async def rotate(self, connection: AsyncConnection) -> str:
        """Creates the next key and returns its id; it signs after PROPAGATION_S.

        Deletes keys whose last token has expired, and rows without a valid MAC.
        """
        await advisory_lock(connection, Lock.SIGNING_KEYS)
        now = self._clock.wall()
        await self._store.delete_altered(connection)
        for key in await self._store.list(connection, PURPOSE):
            if not is_valid_for_verification(key.retires, now):
                await self._store.delete(connection, key.id)
        await self._retire_all(connection, now + PROPAGATION_S)
        return await self._create(connection)

    async def _retire_all(self, connection: AsyncConnection, at: float) -> None:
        for key in await self._store.list(connection, PURPOSE):
            if key.retires is None:
                await self._store.retire(connection, key, at)

    async def _create(self, connection: AsyncConnection) -> str:
        private, id = Ed25519PrivateKey.generate(), random_text(16)
        sealed = self._sealer.encrypt(private.private_bytes_raw(), id.encode())
        public = private.public_key().public_bytes_raw()
        now = self._clock.wall()
        await self._store.add(connection, SigningKey(id, PURPOSE, sealed, public, now))
        return id
