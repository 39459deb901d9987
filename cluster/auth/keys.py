"""API keys: their form, their proof, and the rules by which they come and go.

A key reads `mob_<id>_<secret>`; `id` finds the record, the HMAC-SHA256 of the whole key under the
server's pepper proves it. Only that digest is stored, so the store alone opens nothing. Knows no
HTTP; presented keys are checked in cluster/auth/credential_directory.py.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.models import ApiKey
from cluster.auth.repository import ApiKeyRepository
from cluster.auth.row_macs import RowMacs
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, InvalidRequest
from cluster.tenants.caller import Scope

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH = 12, 32  # 71 and 190 bits
SHAPE = re.compile(r"mob_([0-9A-Za-z]{4,32})_[0-9A-Za-z]{24,64}", re.ASCII)
NOBODY = bytes(32)  # what an unknown id is compared with, so that it costs the same
MAX_NAME = 200
MAX_GRACE_S = 30 * 86_400


def random_text(length: int) -> str:
    """Letters and digits, 5.95 bits each."""
    return "".join(secrets.choice(BASE62) for _ in range(length))


def mint() -> str:
    """A fresh key, to be shown once and forgotten."""
    return f"mob_{random_text(ID_LENGTH)}_{random_text(SECRET_LENGTH)}"


def key_id(key: str) -> str:
    """The public part of a key. Raises ValueError if it has not the shape of one."""
    shape = SHAPE.fullmatch(key)
    if shape is None:
        raise ValueError("an API key reads mob_<id>_<secret>, letters and digits, secret of 24+")
    return shape[1]


def digest(pepper: bytes, credential: str) -> bytes:
    """What is stored of a credential. Raises UnicodeEncodeError for what is not ASCII."""
    return hmac.digest(pepper, credential.encode("ascii"), hashlib.sha256)


class ApiKeyIssuer:
    """Making, rotating and revoking keys, each inside the caller's transaction."""

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
    ) -> tuple[str, ApiKey]:
        """The key and its record; `expires` is in Unix seconds. Raises InvalidRequest."""
        now = self._clock.wall()
        _check(name, scopes, expires, now)
        key = mint()
        record = self.record(
            key, tenant, name=name, scopes=scopes, created_by=created_by, expires=expires
        )
        await self._store.add(connection, tenant, record)
        return key, record

    async def rotate(
        self, connection: AsyncConnection, tenant: str, key: str, *, grace_s: float, created_by: str
    ) -> tuple[str, ApiKey]:
        """A successor with the same name, scopes and expiry; `key` (an id) dies after `grace_s`.

        Raises NotFound, InvalidRequest (the grace), or Conflict when the key works no longer or
        has a successor already.
        """
        if not 0 <= grace_s <= MAX_GRACE_S:
            raise InvalidRequest(f"'grace_s' is 0 to {MAX_GRACE_S}.", param="grace_s")
        now = self._clock.wall()
        old = await self._store.get(connection, tenant, key)
        if old.replaced_by is not None or old.status(now) != "active":
            why = "was rotated" if old.replaced_by is not None else f"is {old.status(now)}"
            raise Conflict(f"Key '{key}' {why} already.", param="key")
        made = await self.create(
            connection,
            tenant,
            name=old.name,
            scopes=old.scopes,
            created_by=created_by,
            expires=old.expires,
        )
        until = now + grace_s if old.expires is None else min(old.expires, now + grace_s)
        await self._store.update(connection, tenant, key, replaced_by=made[1].id, expires=until)
        return made

    async def revoke(self, connection: AsyncConnection, tenant: str, key: str) -> ApiKey:
        """End `key` (an id) for good; again is harmless, also for a row that somebody altered.

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
        """The record of a given key. Raises ValueError if it has not the shape of one."""
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
        raise InvalidRequest(f"'name' is 1 to {MAX_NAME} printable characters.", param="name")
    if not scopes:
        raise InvalidRequest("'scopes' names at least one scope.", param="scopes")
    if expires is not None and expires <= now:
        raise InvalidRequest("'expires' is in the past.", param="expires")
