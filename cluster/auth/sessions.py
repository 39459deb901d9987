"""Signing in, staying signed in, signing out.

Flows in: an email and a password, or a refresh token. Flows out: an access token for the path and
a refresh token for the next one. A refresh token works once; when a used one comes back later than
GRACE_S, somebody stole it or its successor, so the whole family of that sign-in ends (RFC 9700,
4.14.2), access tokens included. Knows no HTTP; audit is the caller's.
"""

import hmac
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.keys import BASE62, NOBODY, digest, random_text
from cluster.auth.models import EndedSession, RefreshToken, User
from cluster.auth.passwords import Passwords, normalised_email
from cluster.auth.repository import EndedSessionRepository, RefreshTokenRepository, UserRepository
from cluster.auth.row_macs import RowAltered, RowMacs
from cluster.auth.signing import LONGEST_TOKEN_S, SigningKeyService
from cluster.auth.throttle import SignInThrottle, source_of
from cluster.auth.tokens import INVALID, issue
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
WRONG = "The email or the password is wrong."
NO_TENANT = ""  # no tenant has this id
GRACE_S = 10.0
MAX_ENDED = 50  # of one user, in the time that an access token may live


@dataclass(frozen=True, slots=True)
class TokenPair:
    """A fresh pair of tokens; `expires_in` is the access token's life in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    user: User


class Sessions:
    """One process's sign-ins. Make it on the loop that uses it."""

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
        """`address` is where the attempt came from; `tenant` may be left out where the email is
        in one tenant alone.

        Raises Unauthenticated (whatever is wrong), RateLimited, Overloaded, or Forbidden when
        the tenant is suspended.
        """
        email = _comparable(email)
        self._throttle.attempt(email, address)
        try:
            signed_in = await self._login(email, password, address, tenant)
        except (Overloaded, RateLimited):
            self._throttle.withdraw(email, address)
            raise
        self._throttle.succeeded(email, address)
        return signed_in

    async def confirm(self, user: User, password: str, address: str) -> None:
        """Whether it is the user who asks; counted as an attempt to sign in.

        Raises InvalidRequest (`current`) if the password is another, RateLimited, Overloaded.
        """
        self._throttle.attempt(user.email, address)
        try:
            verdict = await self._passwords.verify(user.password, password, source_of(address))
        except (Overloaded, RateLimited):
            self._throttle.withdraw(user.email, address)
            raise
        if not verdict.right:
            raise InvalidRequest("'current' is not your password.", param="current")
        self._throttle.succeeded(user.email, address)

    async def _login(
        self, email: str, password: str, address: str, tenant: str | None
    ) -> TokenPair:
        known = tenant is None or is_id(tenant)
        async with self._database.read() as connection:
            user = await self._users.find(connection, email, tenant if known else NO_TENANT)
        stored, source = user.password if user else None, source_of(address)
        verdict = await self._passwords.verify(stored, password, source)
        if user is None or not verdict.right or user.status != "active":
            raise Unauthenticated(WRONG)
        async with self._database.begin() as connection:
            try:
                user = await self._still(connection, user)
            except (NotFound, RowAltered, Unauthenticated):
                raise Unauthenticated(WRONG) from None
            if verdict.rehashed is not None:
                await self._users.update(
                    connection, user.tenant, user.id, password=verdict.rehashed, ends_sessions=False
                )
            await self._tokens.forget_expired(connection, user.tenant, user.id)
            return await self._signed_in(connection, user, uuid.uuid4().hex)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """A new pair for an unused token, or for one that was used within GRACE_S: tabs of one
        browser refresh at the same time.

        Raises Unauthenticated or Forbidden. What is revoked stays revoked although the call fails.
        """
        if not await self.knows(refresh_token):
            raise Unauthenticated(INVALID)
        async with self._database.begin() as connection:
            outcome = await self._refreshed(connection, refresh_token)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

    async def knows(self, presented: str) -> bool:
        """Whether it is, or was, a token of ours. Without a transaction that writes, which junk is
        not worth."""
        if SHAPE.fullmatch(presented) is None:
            return False
        async with self._database.read() as connection:
            return await self._found(connection, presented, lock=False) is not None

    async def logout(self, refresh_token: str) -> RefreshToken | None:
        """End the sign-in that the token belongs to, access tokens included. None if the token
        opens nothing, which is no error."""
        if not await self.knows(refresh_token):
            return None
        async with self._database.begin() as connection:
            token = await self._found(connection, refresh_token)
            if token is None or token.revoked is not None:
                return None
            await self._end(connection, token)
        return token

    async def _refreshed(self, connection: AsyncConnection, presented: str) -> TokenPair | Problem:
        token = await self._found(connection, presented)
        now = self._clock.wall()
        if token is None or token.revoked is not None or token.expires <= now:
            return Unauthenticated(INVALID)
        if token.used is not None and now - token.used > GRACE_S:
            await self._end(connection, token)
            data = {"user": token.user, "family": token.family}
            await publish(connection, self._clock, token.tenant, EventKind.REFRESH_REUSED, data)
            return Unauthenticated(INVALID)
        try:
            user = await self._still(connection, await self._owner(connection, token))
        except Forbidden as problem:
            return problem
        except (NotFound, RowAltered, Unauthenticated):
            return Unauthenticated(INVALID)
        if token.used is None:
            await self._tokens.use(connection, token.tenant, token)
        return await self._signed_in(connection, user, token.family)

    async def _end(self, connection: AsyncConnection, token: RefreshToken) -> None:
        """Revoke what refreshes the sign-in, and refuse its access tokens while they live.

        Who ends very many within that time is signed out everywhere: directories hold each.
        """
        await self._tokens.revoke_family(connection, token.tenant, token.family)
        until = self._clock.wall() + LONGEST_TOKEN_S
        ended = EndedSession(token.family, token.tenant, token.user, until)
        if await self._ended.count(connection, token.tenant, token.user) < MAX_ENDED:
            await self._ended.add(connection, token.tenant, ended)
            return
        with suppress(NotFound, RowAltered):
            await self._users.update(connection, token.tenant, token.user)

    async def _found(
        self, connection: AsyncConnection, presented: str, *, lock: bool = True
    ) -> RefreshToken | None:
        shape = SHAPE.fullmatch(presented)
        if shape is None:
            return None
        token = await self._tokens.find(connection, shape[1], lock=lock)
        stored = NOBODY if token is None else token.digest
        return token if hmac.compare_digest(digest(self._pepper, presented), stored) else None

    async def _owner(self, connection: AsyncConnection, token: RefreshToken) -> User:
        """Raises NotFound, or Unauthenticated when the token is older than it may be."""
        user = await self._users.get(connection, token.tenant, token.user)
        if token.created < user.valid_after:
            raise Unauthenticated(INVALID)
        return user

    async def _still(self, connection: AsyncConnection, user: User) -> User:
        """The user as of this transaction; raises Unauthenticated, NotFound or Forbidden."""
        now = await self._users.get(connection, user.tenant, user.id)
        if now.status != "active" or now.password != user.password:
            raise Unauthenticated(INVALID)
        tenant = await self._tenants.get(connection, user.tenant)
        if tenant.status != "active":
            raise Forbidden(f"Tenant '{tenant.id}' is suspended.")
        return now

    async def _signed_in(self, connection: AsyncConnection, user: User, family: str) -> TokenPair:
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


def _comparable(email: str) -> str:
    """The normalised email; of what is none, nobody's: it costs the same and finds no user."""
    try:
        return normalised_email(email)
    except InvalidRequest:
        return ""
