"""Whose a credential is, answered from memory; one in every process that takes requests.

Flows in: an API key or an access token. Flows out: its Caller, or Unauthenticated, or Forbidden
for a suspended tenant. The directory polls the store's list of changes, so a revoked key stops
working everywhere within a second; while the store is down it goes on with what it knew last. When
each key was last used is noted in memory, and written now and then; a killed process loses what it
had not written.
"""

import asyncio
import contextlib
import hashlib
import hmac
import secrets
from collections import defaultdict
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cluster.auth.delegation import PREFIX, Delegation
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import NO_DIGEST, SHAPE
from cluster.auth.row_macs import RowMacs
from cluster.auth.signing import is_valid_for_verification
from cluster.auth.snapshot import CredentialHolder, Snapshot, TenantEntry
from cluster.auth.tokens import INVALID, LEEWAY_S, MAX_LENGTH, Claims, jwk, verify
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Forbidden, NotFound, Problem, Unauthenticated
from cluster.secrets.key_files import BOOTSTRAP_TENANT
from cluster.storage.database import Database
from cluster.storage.polled_cache import PolledCache
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.settings import TenantSettings

__all__ = ["CredentialDirectory", "TenantEntry"]

TIDY_S = 30.0
MAX_TOKENS = 10_000  # verified tokens that are remembered
MAX_DIGESTS = 10_000  # of keys that were found valid


class CredentialDirectory(PolledCache):
    """Every credential, user and tenant of the store."""

    def __init__(self, database: Database, pepper: bytes, clock: Clock) -> None:
        super().__init__("directory", database, clock, tidy_s=TIDY_S)
        self.known_at = clock.monotonic()  # its age is shown before it is started, too
        self._pepper = pepper
        self._delegation = Delegation(pepper, clock)
        self._macs = RowMacs(pepper)
        self._snapshot = Snapshot(self._macs)
        # The policies of the keys that have any, by key id; the same mapping for ever.
        self.policies: dict[str, CallerPolicies] = self._snapshot.policies
        self._name_key = secrets.token_bytes(32)
        self._digests: dict[bytes, bytes] = {}  # of valid keys, by their names
        self._claims: dict[bytes, Claims] = {}  # by the SHA-256 of the whole token
        self._keys = ApiKeyRepository(clock, self._macs)
        self._last_used: dict[tuple[str, str], float] = {}  # Unix seconds by tenant and key
        self._refreshing = asyncio.Lock()
        self._loaded = False

    async def close(self) -> None:
        """Stop polling and store when keys were last used. The database stays open."""
        await super().close()
        with contextlib.suppress(Problem):
            await self._write_last_used()

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
            self.policies.clear()
            self.policies.update(self._snapshot.policies)
            self._snapshot.policies = self.policies
            self._loaded = True
        self.known_at = self._clock.monotonic()

    def __len__(self) -> int:
        """The number of credentials that it knows."""
        return len(self._snapshot.keys) + len(self._snapshot.users)

    @property
    def version(self) -> int:
        """The number of the last change that it has read."""
        return self._snapshot.seq

    @property
    def ended_sessions(self) -> int:
        """Sign-ins whose access tokens are refused although they would live on."""
        return len(self._snapshot.ended)

    def tenant(self, id: str) -> TenantEntry:
        """Raises NotFound."""
        entry = self._snapshot.tenants.get(id)
        if entry is None:
            raise _no_tenant(id)
        return entry

    def plan_of(self, tenant: str) -> Plan:
        """The plan that a tenant is on now. Raises NotFound."""
        entry = self._snapshot.tenants.get(tenant)
        if entry is None:
            raise _no_tenant(tenant)
        return entry.plan

    def settings_of(self, tenant: str) -> TenantSettings:
        """What a tenant has set for itself. Raises NotFound."""
        return self.tenant(tenant).settings

    def tenants_with_events(self) -> frozenset[str]:
        """Those that want `generation.*` events; from any thread."""
        return self._snapshot.with_events

    def secret_of(self, tenant: str) -> bytes:
        """What keys and encrypts everything that is stored for a tenant. Raises NotFound."""
        entry = self._snapshot.tenants.get(tenant)
        if entry is None:
            raise _no_tenant(tenant)
        return entry.secret

    def operator_key_expiry(self) -> float | None:
        """Unix seconds at which the first of the operator's keys expires that administer or read
        metrics; None: none of them does."""
        vital = {Scope.ADMIN, Scope.METRICS_READ}
        expiries = [
            entry.expires
            for entry in self._snapshot.keys.values()
            if entry.expires is not None
            and entry.holder.tenant == BOOTSTRAP_TENANT
            and not entry.holder.scopes.isdisjoint(vital)
        ]
        return min(expiries, default=None)

    def template_generation(self, tenant: str) -> int:
        """Changes with the tenant's templates (cluster/templates/directory.py)."""
        return self._snapshot.template_generation(tenant)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys that verify access tokens now, as a JSON Web Key Set."""
        now = self._clock.wall()
        keys = [
            jwk(id, key.raw)
            for id, key in self._snapshot.signing.items()
            if is_valid_for_verification(key.retires, now)
        ]
        return {"keys": keys}

    def verify(self, credential: str) -> Caller:
        """Its caller. Every Unauthenticated reads the same; Forbidden: the tenant is suspended."""
        if not credential.startswith("mob_"):
            return self._verify_temporary(credential)
        shape = SHAPE.fullmatch(credential)
        if shape is None:
            raise Unauthenticated(INVALID)
        entry = self._snapshot.keys.get(shape[1])
        seen, digest = self._digest(credential)
        matches = hmac.compare_digest(digest, NO_DIGEST if entry is None else entry.digest)
        now = self._clock.wall()
        if entry is None or not matches or (entry.expires is not None and entry.expires <= now):
            raise Unauthenticated(INVALID)
        if seen not in self._digests:
            if len(self._digests) >= MAX_DIGESTS:
                self._digests.clear()
            self._digests[seen] = digest
        caller = self._caller(entry.holder)
        self._last_used[caller.tenant, caller.key_id] = now
        return caller

    def _digest(self, credential: str) -> tuple[bytes, bytes]:
        """A name of the credential in this process, and its stored digest.

        The digest costs 5 us and releases the interpreter lock, which other threads then hold; the
        name costs a quarter. Digests of valid keys are remembered by name, never their text.
        """
        raw = credential.encode("ascii")
        seen = hashlib.blake2b(raw, key=self._name_key, digest_size=32).digest()
        return seen, self._digests.get(seen) or hmac.digest(self._pepper, raw, "sha256")

    def _verify_temporary(self, credential: str) -> Caller:
        if credential.startswith(PREFIX):
            return self._verify_delegation(credential)
        if len(credential) <= MAX_LENGTH and credential.count(".") == 2:
            return self._verify_token(credential)
        raise Unauthenticated(INVALID)

    def _verify_token(self, presented: str) -> Caller:
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        now = self._clock.wall()
        claims = self._claims.get(digest)
        if claims is None:
            claims = verify(presented, self._public_key, now)
            self._cache_claims(digest, claims)
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

    def _verify_delegation(self, presented: str) -> Caller:
        """The caller that one of our workers acts for, with the right to generate text only."""
        delegate = self._delegation.verify(presented)
        caller = self.caller_of(delegate.tenant, delegate.holder)
        allowed = frozenset({Scope.GENERATE} if caller.allows(Scope.GENERATE) else ())
        return replace(caller, scopes=allowed)

    def caller_of(self, tenant: str, holder: str) -> Caller:
        """Whom the id of a key or a user of the tenant stands for now. Raises Unauthenticated where
        it is valid no more, Forbidden where the tenant is suspended."""
        key, user = self._snapshot.keys.get(holder), self._snapshot.users.get(holder)
        entry = key or user
        expired = key is not None and key.expires is not None and key.expires <= self._clock.wall()
        inactive = user is not None and user.status != "active"
        if entry is None or entry.holder.tenant != tenant or expired or inactive:
            raise Unauthenticated(INVALID)
        return self._caller(entry.holder)

    def _caller(self, holder: CredentialHolder) -> Caller:
        tenant = self._snapshot.tenants.get(holder.tenant)
        if tenant is None:
            raise Unauthenticated(INVALID)
        if tenant.status != "active":
            raise Forbidden(f"Tenant '{tenant.id}' is suspended.")
        if holder.caller is None or holder.caller_of is not tenant:
            plan = tenant.plan
            holder.caller_of = tenant
            holder.caller = Caller(
                holder.tenant,
                holder.id,
                holder.scopes,
                plan.id,
                holder.kind,
                plan.weight,
                holder.expires,
                holder.team,
            )
        return holder.caller

    def _public_key(self, kid: str) -> Ed25519PublicKey | None:
        key = self._snapshot.signing.get(kid)
        if key is None or not is_valid_for_verification(key.retires, self._clock.wall()):
            return None
        return key.key

    def _cache_claims(self, digest: bytes, claims: Claims) -> None:
        if len(self._claims) >= MAX_TOKENS:
            del self._claims[next(iter(self._claims))]
        self._claims[digest] = claims

    async def tidy(self) -> None:
        """Forget keys that expired, and write when the others were last used."""
        self._snapshot.forget_expired(self._clock.wall())
        await self._write_last_used()

    async def _write_last_used(self) -> None:
        """What cannot be written is kept for the next time. Raises DatabaseUnavailable."""
        unwritten, self._last_used = self._last_used, {}
        by_tenant: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for (tenant, key), used in unwritten.items():
            by_tenant[tenant][key] = used
        try:
            if unwritten:
                async with self._database.begin() as connection:
                    for tenant in sorted(by_tenant):
                        await self._keys.touch(connection, tenant, by_tenant[tenant])
        except BaseException:
            self._last_used = unwritten | self._last_used
            raise


def _no_tenant(id: str) -> NotFound:
    return NotFound(f"There is no tenant '{id[:63]}'.", param="tenant")
