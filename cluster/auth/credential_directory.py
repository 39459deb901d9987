"""Who a credential belongs to, answered from memory; one in every process that takes requests.

Flows in: an API key or an access token. Flows out: its Caller, or Unauthenticated, or Forbidden
for a suspended tenant. The directory polls the store's list of changes, so a revoked key stops
working everywhere within a second; while the store is down it goes on with what it knew last.
"""

import asyncio
import contextlib
import hashlib
import hmac
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cluster.auth.delegation import PREFIX, Delegation
from cluster.auth.keys import NO_DIGEST, SHAPE
from cluster.auth.last_used import LastUsed
from cluster.auth.row_macs import RowMacs
from cluster.auth.signing import is_valid_for_verification
from cluster.auth.snapshot import CredentialHolder, Snapshot, TenantEntry
from cluster.auth.tokens import INVALID, LEEWAY_S, MAX_LENGTH, Claims, jwk, verify
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Forbidden, NotFound, Problem, Unauthenticated
from cluster.storage.database import Database
from cluster.storage.polled_cache import PolledCache
from cluster.tenants.caller import Caller, Scope

__all__ = ["CredentialDirectory", "TenantEntry"]

TIDY_S = 30.0
MAX_TOKENS = 10_000  # verified tokens that are remembered


class CredentialDirectory(PolledCache):
    """Every credential, user and tenant of the store."""

    def __init__(self, database: Database, pepper: bytes, clock: Clock) -> None:
        super().__init__("directory", clock, tidy_s=TIDY_S)
        self.known_at = clock.monotonic()  # its age is shown before it is started, too
        self._database = database
        self._pepper = pepper
        self._delegation = Delegation(pepper, clock)
        self._macs = RowMacs(pepper)
        self._snapshot = Snapshot(self._macs)
        self._claims: dict[bytes, Claims] = {}  # by the SHA-256 of the whole token
        self._used = LastUsed(database, clock, self._macs)
        self._refreshing = asyncio.Lock()
        self._loaded = False

    async def close(self) -> None:
        """Stop polling and store when keys were last used. The database stays open."""
        await super().close()
        with contextlib.suppress(Problem):
            await self._used.flush()

    async def refresh(self) -> None:
        """Read every change that is committed by now. Raises DatabaseUnavailable."""
        caught_up = False
        if self._loaded:
            async with self._refreshing, self._database.read() as connection:
                caught_up = await self._snapshot.apply_changes(connection, self._clock.wall())
        if not caught_up:
            async with self._refreshing, self._database.read() as connection:
                now = self._clock.wall()
                self._snapshot = await Snapshot.load(connection, now, self._macs)
            self._loaded = True
        self.known_at = self._clock.monotonic()

    def __len__(self) -> int:
        """Credentials that it knows."""
        return len(self._snapshot.keys) + len(self._snapshot.users)

    @property
    def ended_sessions(self) -> int:
        """Sign-ins whose access tokens are refused although they would live on."""
        return len(self._snapshot.ended)

    def tenant(self, id: str) -> TenantEntry:
        """Raises NotFound."""
        entry = self._snapshot.tenants.get(id)
        if entry is None:
            raise NotFound(f"There is no tenant '{id[:63]}'.", param="tenant")
        return entry

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys that verify access tokens now, as a JSON Web Key Set."""
        now, held = self._clock.wall(), self._snapshot.signing
        keys = [
            jwk(id, key.raw)
            for id, key in held.items()
            if is_valid_for_verification(key.retires, now)
        ]
        return {"keys": keys}

    def verify(self, credential: str) -> Caller:
        """Whose it is. Every Unauthenticated reads the same; Forbidden: the tenant is suspended."""
        if credential.startswith("mob_"):
            return self._key(credential)
        if credential.startswith(PREFIX):
            return self._delegate(credential)
        if len(credential) <= MAX_LENGTH and credential.count(".") == 2:
            return self._token(credential)
        raise Unauthenticated(INVALID)

    def _key(self, presented: str) -> Caller:
        shape = SHAPE.fullmatch(presented)
        if shape is None:
            raise Unauthenticated(INVALID)
        entry = self._snapshot.keys.get(shape[1])
        digest = hmac.digest(self._pepper, presented.encode("ascii"), "sha256")
        same = hmac.compare_digest(digest, NO_DIGEST if entry is None else entry.digest)
        now = self._clock.wall()
        if entry is None or not same or (entry.expires is not None and entry.expires <= now):
            raise Unauthenticated(INVALID)
        caller = self._caller(entry.holder)
        self._used.note(entry.holder.tenant, entry.holder.id, now)
        return caller

    def _token(self, presented: str) -> Caller:
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        now = self._clock.wall()
        claims = self._claims.get(digest)
        if claims is None:
            claims = verify(presented, self._public_key, now)
            self._remember(digest, claims)
        elif claims.expires <= now - LEEWAY_S or self._public_key(claims.key) is None:
            del self._claims[digest]
            raise Unauthenticated(INVALID)
        user = self._snapshot.users.get(claims.user)
        if (
            user is None
            or claims.session in self._snapshot.ended
            or user.status != "active"
            or (user.holder.tenant, user.role) != (claims.tenant, claims.role)
            or claims.issued < user.valid_after
        ):
            raise Unauthenticated(INVALID)
        return self._caller(user.holder)

    def _delegate(self, presented: str) -> Caller:
        """Whom one of our workers acts for: what they may do, as far as it is generating text."""
        delegate = self._delegation.verify(presented)
        key, user = (
            self._snapshot.keys.get(delegate.holder),
            self._snapshot.users.get(delegate.holder),
        )
        entry = key or user
        expired = key is not None and key.expires is not None and key.expires <= self._clock.wall()
        inactive = user is not None and user.status != "active"
        if entry is None or entry.holder.tenant != delegate.tenant or expired or inactive:
            raise Unauthenticated(INVALID)
        caller = self._caller(entry.holder)
        allowed = frozenset({Scope.GENERATE} if caller.allows(Scope.GENERATE) else ())
        return replace(caller, scopes=allowed)

    def _caller(self, holder: CredentialHolder) -> Caller:
        tenant = self._snapshot.tenants.get(holder.tenant)
        if tenant is None:
            raise Unauthenticated(INVALID)
        if tenant.status != "active":
            raise Forbidden(f"Tenant '{tenant.id}' is suspended.")
        return holder.caller(tenant)

    def _public_key(self, kid: str) -> Ed25519PublicKey | None:
        found = self._snapshot.signing.get(kid)
        if found is None or not is_valid_for_verification(found.retires, self._clock.wall()):
            return None
        return found.key

    def _remember(self, digest: bytes, claims: Claims) -> None:
        if len(self._claims) >= MAX_TOKENS:
            del self._claims[next(iter(self._claims))]
        self._claims[digest] = claims

    async def tidy(self) -> None:
        """Forget keys that expired, and write when the others were last used."""
        self._snapshot.forget_expired(self._clock.wall())
        await self._used.flush()
