"""Sessions: sign-in, refresh, sign-out.

In: an email and a password, or a refresh token. Out: an access token and the next refresh token. A
refresh token is valid once. If a used one is presented after GRACE_S, it or its successor was
stolen, so the whole token family ends (RFC 9700, 4.14.2), access tokens included. Knows no HTTP;
the caller writes audit records.
"""

import hmac
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.keys import BASE62, NO_DIGEST, digest, random_text
from cluster.auth.models import EndedSession, RefreshToken, User
from cluster.auth.passwords import Passwords, normalised_email
from cluster.auth.row_macs import RowAltered, RowMacs
from cluster.auth.session_repository import EndedSessionRepository, RefreshTokenRepository
from cluster.auth.signing import MAX_TOKEN_AGE_S, SigningKeyService
from cluster.auth.throttle import SignInThrottle, source_of
from cluster.auth.tokens import INVALID, issue
from cluster.auth.user_repository import UserRepository
from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    Problem,
    RateLimited,
    Unauthenticated,
)
from cluster.storage.database import Database
from cluster.storage.pagination import is_id
from cluster.tenants.repository import TenantRepository

SHAPE = re.compile(rf"mrt_([{BASE62}]{{20}})_[{BASE62}]{{43}}", re.ASCII)
WRONG_CREDENTIALS = "The email or the password is wrong."
NO_TENANT = ""  # not a valid tenant id
GRACE_S = 10.0
MAX_ENDED_SESSIONS = 50  # of one user, while access tokens live


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A new pair of tokens; `expires_in` is the access token's lifetime in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    user: User


class Sessions:
    """Sessions of one process. Create it on the event loop that uses it."""

    def __init__(
        self,
        database: Database,
        pepper: bytes,
        clock: Clock,
        *,
        access_token_s: int = 900,
        refresh_token_s: int = 14 * 86_400,
        passwords: Passwords | None = None,
        throttle: SignInThrottle | None = None,
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._clock = clock
        self._access_s, self._refresh_s = access_token_s, refresh_token_s
        self._passwords = passwords or Passwords()
        self._throttle = throttle or SignInThrottle(clock)
        self._signing = SigningKeyService(pepper, clock)
        macs = RowMacs(pepper)
        self._users, self._tokens = UserRepository(clock, macs), RefreshTokenRepository(clock, macs)
        self._ended = EndedSessionRepository(clock)
        self._tenants = TenantRepository(clock)

    async def login(
        self, email: str, password: str, address: str, tenant: str | None = None
    ) -> TokenPair:
        """Signs in. `address` is the client's; `tenant` is optional if the email is unique.

        Raises Unauthenticated (same message for every cause), RateLimited, Overloaded, or Forbidden
        if the tenant is suspended.
        """
        email = _normalize_or_empty(email)
        self._throttle.attempt(email, address)
        try:
            tokens = await self._login(email, password, address, tenant)
        except (Overloaded, RateLimited):
            self._throttle.cancel_attempt(email, address)
            raise
        self._throttle.succeeded(email, address)
        return tokens

    async def confirm(self, user: User, password: str, address: str) -> None:
        """Verifies the user's password; counts as a sign-in attempt.

        Raises InvalidRequest (`current`) for a wrong password, RateLimited, Overloaded.
        """
        self._throttle.attempt(user.email, address)
        try:
            result = await self._passwords.verify(user.password, password, source_of(address))
        except (Overloaded, RateLimited):
            self._throttle.cancel_attempt(user.email, address)
            raise
        if not result.right:
            raise InvalidRequest("'current' is not your password.", param="current")
        self._throttle.succeeded(user.email, address)

    async def _login(
        self, email: str, password: str, address: str, tenant: str | None
    ) -> TokenPair:
        is_valid_tenant = tenant is None or is_id(tenant)
        async with self._database.read() as connection:
            user = await self._users.find(
                connection, email, tenant if is_valid_tenant else NO_TENANT
            )
        stored, source = user.password if user else None, source_of(address)
        result = await self._passwords.verify(stored, password, source)
        if user is None or not result.right or user.status != "active":
            raise Unauthenticated(WRONG_CREDENTIALS)
        async with self._database.begin() as connection:
            try:
                user = await self._check_active(connection, user)
            except (NotFound, RowAltered, Unauthenticated):
                raise Unauthenticated(WRONG_CREDENTIALS) from None
            if result.rehashed is not None:
                await self._users.update(
                    connection, user.tenant, user.id, password=result.rehashed, ends_sessions=False
                )
            await self._tokens.delete_expired(connection, user.tenant, user.id)
            return await self._issue_tokens(connection, user, uuid.uuid4().hex)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """A new pair for an unused token, or for one that was used within GRACE_S, as tabs of one
        browser refresh concurrently.

        Raises Unauthenticated or Forbidden; a revocation is committed although the call fails.
        """
        if not await self.knows(refresh_token):
            raise Unauthenticated(INVALID)
        async with self._database.begin() as connection:
            outcome = await self._refresh(connection, refresh_token)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def knows(self, presented: str) -> bool:
        """Whether it is, or was, a valid token. Reads only, so that invalid tokens start no write
        transaction."""
        if SHAPE.fullmatch(presented) is None:
            return False
        async with self._database.read() as connection:
            return await self._find_token(connection, presented, lock=False) is not None

    async def logout(self, refresh_token: str) -> RefreshToken | None:
        """Ends the token's session, access tokens included. None, without an error, if the token is
        invalid."""
        if not await self.knows(refresh_token):
            return None
        async with self._database.begin() as connection:
            token = await self._find_token(connection, refresh_token)
            if token is None or token.revoked is not None:
                return None
            await self._end(connection, token)
        return token

    async def _refresh(self, connection: AsyncConnection, presented: str) -> TokenPair | Problem:
        token = await self._find_token(connection, presented)
        now = self._clock.wall()
        if token is None or token.revoked is not None or token.expires <= now:
            return Unauthenticated(INVALID)
        if token.used is not None and now - token.used > GRACE_S:
            await self._end(connection, token)
            data = {"user": token.user, "family": token.family}
            await publish(connection, self._clock, token.tenant, EventKind.REFRESH_REUSED, data)
            return Unauthenticated(INVALID)
        try:
            user = await self._check_active(connection, await self._owner(connection, token))
        except Forbidden as problem:
            return problem
        except (NotFound, RowAltered, Unauthenticated):
            return Unauthenticated(INVALID)
        if token.used is None:
            await self._tokens.use(connection, token.tenant, token)
        return await self._issue_tokens(connection, user, token.family)

    async def _end(self, connection: AsyncConnection, token: RefreshToken) -> None:
        """Revokes the session's refresh tokens, and blocks its access tokens until they expire.

        A user with more than MAX_ENDED_SESSIONS blocked sessions is signed out everywhere, to bound
        the memory of directories.
        """
        await self._tokens.revoke_family(connection, token.tenant, token.family)
        until = self._clock.wall() + MAX_TOKEN_AGE_S
        ended = EndedSession(token.family, token.tenant, token.user, until)
        if await self._ended.count(connection, token.tenant, token.user) < MAX_ENDED_SESSIONS:
            await self._ended.add(connection, token.tenant, ended)
            return
        with suppress(NotFound, RowAltered):
            await self._users.update(connection, token.tenant, token.user)

    async def _find_token(
        self, connection: AsyncConnection, presented: str, *, lock: bool = True
    ) -> RefreshToken | None:
        shape = SHAPE.fullmatch(presented)
        if shape is None:
            return None
        token = await self._tokens.find(connection, shape[1], lock=lock)
        stored = NO_DIGEST if token is None else token.digest
        return token if hmac.compare_digest(digest(self._pepper, presented), stored) else None

    async def _owner(self, connection: AsyncConnection, token: RefreshToken) -> User:
        """The token's user. Raises NotFound, or Unauthenticated if the token is no longer valid."""
        user = await self._users.get(connection, token.tenant, token.user)
        if token.created < user.valid_after:
            raise Unauthenticated(INVALID)
        return user

    async def _check_active(self, connection: AsyncConnection, user: User) -> User:
        """The user in this transaction. Raises Unauthenticated, NotFound or Forbidden."""
        current = await self._users.get(connection, user.tenant, user.id)
        if current.status != "active" or current.password != user.password:
            raise Unauthenticated(INVALID)
        tenant = await self._tenants.get(connection, user.tenant)
        if tenant.status != "active":
            raise Forbidden(f"Tenant '{tenant.id}' is suspended.")
        return current

    async def _issue_tokens(
        self, connection: AsyncConnection, user: User, family: str
    ) -> TokenPair:
        now, id = self._clock.wall(), random_text(20)
        text = f"mrt_{id}_{random_text(43)}"
        token = RefreshToken(
            id=id,
            family=family,
            tenant=user.tenant,
            user=user.id,
            digest=digest(self._pepper, text),
            created=now,
            expires=now + self._refresh_s,
        )
        await self._tokens.add(connection, user.tenant, token)
        signer = await self._signing.current(connection)
        access = issue(signer, user, now, self._access_s, family)
        return TokenPair(access, text, self._access_s, user)


def _normalize_or_empty(email: str) -> str:
    """The normalised email; "" for an invalid one, which finds no user in the same time."""
    try:
        return normalised_email(email)
    except InvalidRequest:
        return ""
