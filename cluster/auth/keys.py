"""API keys: format, digest, creation, rotation and revocation.

A key has the form `mob_<id>_<secret>`: `id` selects the record, and the HMAC-SHA256 of the whole
key with the server's pepper is compared with the stored digest. The database holds no usable key.
Knows no HTTP; cluster/auth/credential_directory.py verifies presented keys.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.models import ApiKey
from cluster.auth.row_macs import RowMacs
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, InvalidRequest
from cluster.tenants.caller import Scope
from cluster.tenants.policy import LimitPolicy

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH = 12, 32  # 71 and 190 bits
SHAPE = re.compile(r"mob_([0-9A-Za-z]{4,32})_[0-9A-Za-z]{24,64}", re.ASCII)
NO_DIGEST = bytes(32)  # compared with for an unknown id, so that the time is the same
MAX_NAME = 200
MAX_GRACE_S = 30 * 86_400


def random_text(length: int) -> str:
    """Random letters and digits, 5.95 bits each."""
    return "".join(secrets.choice(BASE62) for _ in range(length))


def mint() -> str:
    """A new key; it is shown once and not stored."""
    return f"mob_{random_text(ID_LENGTH)}_{random_text(SECRET_LENGTH)}"


def key_id(key: str) -> str:
    """The public part of a key. Raises ValueError for an invalid format."""
    shape = SHAPE.fullmatch(key)
    if shape is None:
        raise ValueError(
            "an API key has the form mob_<id>_<secret>: letters and digits, secret of 24+"
        )
    return shape[1]


def digest(pepper: bytes, credential: str) -> bytes:
    """The stored digest of a credential. Raises UnicodeEncodeError for non-ASCII text."""
    return hmac.digest(pepper, credential.encode("ascii"), hashlib.sha256)


class ApiKeyIssuer:
    """Creates, rotates and revokes keys in the caller's transaction."""

    def __init__(self, pepper: bytes, clock: Clock) -> None:
        self._pepper = pepper
        self._clock = clock
        self._store = ApiKeyRepository(clock, RowMacs(pepper))

    async def create(
        self,
        connection: AsyncConnection,
        tenant: str,
        *,
        name: str,
        scopes: Collection[Scope],
        created_by: str,
        expires: float | None = None,
        policy: LimitPolicy | None = None,
        team: str = "",
        account: str = "",
    ) -> tuple[str, ApiKey]:
        """The key and its record; `expires` is in Unix seconds. Raises InvalidRequest."""
        now = self._clock.wall()
        _check(name, scopes, expires, now)
        key = mint()
        record = self.record(
            key, tenant, name=name, scopes=scopes, created_by=created_by, expires=expires
        )
        record = replace(record, policy=policy, team=team, account=account)
        await self._store.add(connection, tenant, record)
        return key, record

    async def rotate(
        self, connection: AsyncConnection, tenant: str, key: str, *, grace_s: float, created_by: str
    ) -> tuple[str, ApiKey]:
        """A new key with the same name, scopes, expiry, policy and team; it goes on with what the
        old one may still use. `key` (an id) expires after `grace_s`.

        Raises NotFound, InvalidRequest (`grace_s`), or Conflict if the key is not active or has a
        successor.
        """
        if not 0 <= grace_s <= MAX_GRACE_S:
            raise InvalidRequest(f"'grace_s' must be 0 to {MAX_GRACE_S}.", param="grace_s")
        now = self._clock.wall()
        old = await self._store.get(connection, tenant, key)
        if old.replaced_by is not None or old.status(now) != "active":
            reason = "was rotated" if old.replaced_by is not None else f"is {old.status(now)}"
            raise Conflict(f"Key '{key}' {reason} already.", param="key")
        created = await self.create(
            connection,
            tenant,
            name=old.name,
            scopes=old.scopes,
            created_by=created_by,
            expires=old.expires,
            policy=old.policy,
            team=old.team,
            account=old.limits_account,
        )
        expires = now + grace_s if old.expires is None else min(old.expires, now + grace_s)
        await self._store.update(
            connection, tenant, key, replaced_by=created[1].id, expires=expires
        )
        return created

    async def revoke(self, connection: AsyncConnection, tenant: str, key: str) -> ApiKey:
        """Revokes `key` (an id), also if its row was altered; idempotent.

        Raises NotFound.
        """
        old = await self._store.get(connection, tenant, key, altered=True)
        if old.revoked is not None:
            return old
        return await self._store.update(connection, tenant, key, revoked=self._clock.wall())

    def record(
        self,
        key: str,
        tenant: str,
        *,
        name: str,
        scopes: Collection[Scope],
        created_by: str,
        expires: float | None = None,
        bootstrap: bool = False,
    ) -> ApiKey:
        """The record of a key. Raises ValueError for an invalid format."""
        return ApiKey(
            id=key_id(key),
            tenant=tenant,
            name=name,
            digest=digest(self._pepper, key),
            scopes=frozenset(scopes),
            bootstrap=bootstrap,
            created=self._clock.wall(),
            created_by=created_by,
            expires=expires,
        )


def _check(name: str, scopes: Collection[Scope], expires: float | None, now: float) -> None:
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidRequest(
            f"'name' must have 1 to {MAX_NAME} printable characters.", param="name"
        )
    if not scopes:
        raise InvalidRequest("'scopes' must have at least one scope.", param="scopes")
    if expires is not None and expires <= now:
        raise InvalidRequest("'expires' is in the past.", param="expires")
