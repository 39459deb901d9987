"""Signing in and out, with its lines in the audit trail, and the keys that sign access tokens.

A line says who and from where; of a failed sign-in only from where, because what was typed as an
email may be anything, also a password. What is refused leaves one line a minute for each address,
with its count, and a token that opens nothing leaves none.
"""

from collections.abc import Mapping
from typing import Any

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.audit.record import AuditRecord
from cluster.auth.passwords import Passwords
from cluster.auth.repository import UserRepository
from cluster.auth.row_macs import RowMacs
from cluster.auth.sessions import Sessions, TokenPair
from cluster.auth.signing import SigningKeyService
from cluster.auth.throttle import AddressRate
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict, Forbidden, InvalidRequest, Problem, Unauthenticated

NOBODY = "-"  # the tenant of a sign-in that failed
PASSWORD = "auth.password"


class SignInService:
    """Sessions of users, and rolling over the keys behind them."""

    def __init__(
        self, desk: UnitOfWork, sessions: Sessions, passwords: Passwords, pepper: bytes
    ) -> None:
        self._desk = desk
        self._sessions = sessions
        self._passwords = passwords
        self._users = UserRepository(desk.clock, RowMacs(pepper))
        self._signing = SigningKeyService(pepper, desk.clock)
        self._rate = AddressRate(desk.clock)

    async def login(
        self, email: str, password: str, tenant: str | None, address: str, request_id: str
    ) -> TokenPair:
        """Raises as `Sessions.login`."""
        try:
            self._rate.take(address)
            made = await self._sessions.login(email, password, address, tenant)
        except Problem as problem:
            self._note_refused("auth.login", problem, address, request_id)
            raise
        self._note("auth.login", made.user.tenant, made.user.id, address, request_id)
        return made

    async def refresh(self, token: str, address: str, request_id: str) -> TokenPair:
        """Raises as `Sessions.refresh`, and RateLimited."""
        try:
            self._rate.take(address)
            made = await self._sessions.refresh(token)
        except Unauthenticated as problem:
            if await self._sessions.knows(token):  # else the access log's line is enough
                self._note_refused("auth.refresh", problem, address, request_id)
                await self._desk.refresh_directory()  # its sign-in may have ended just now
            raise
        except Problem as problem:
            self._note_refused("auth.refresh", problem, address, request_id)
            raise
        self._note("auth.refresh", made.user.tenant, made.user.id, address, request_id)
        return made

    async def logout(self, token: str, address: str, request_id: str) -> None:
        """Whether or not the token opens something; leaves a line if it did. Raises RateLimited."""
        self._rate.take(address)
        ended = await self._sessions.logout(token)
        if ended is not None:
            self._note("auth.logout", ended.tenant, ended.user, address, request_id)
            await self._desk.refresh_directory()

    async def change_password(self, actor: Actor, current: str, new: str, address: str) -> None:
        """Of the caller's own; all their sessions end, this one too.

        Raises Forbidden for a key, InvalidRequest (`current`, `new`), RateLimited, Overloaded, or
        Conflict if it was changed meanwhile.
        """
        if actor.caller.kind != "user":
            raise Forbidden("A key has no password; sign in as a user.")
        try:
            await self._change_password(actor, current, new, address)
        except Problem as problem:
            self._desk.trail.enqueue_repeatable(
                AuditRecord(
                    at=self._desk.clock.wall(),
                    tenant=actor.caller.tenant,
                    actor=actor.name,
                    action=PASSWORD,
                    resource=actor.name,
                    outcome=problem.slug,
                    request_id=actor.request_id,
                    detail={"address": address},
                )
            )
            raise

    async def _change_password(self, actor: Actor, current: str, new: str, address: str) -> None:
        tenant, id = actor.caller.tenant, actor.caller.key_id
        async with self._desk.database.read() as connection:
            user = await self._users.get(connection, tenant, id)
        await self._sessions.confirm(user, current, address)
        if new == current:
            raise InvalidRequest("'new' is the current password.", param="new")
        hashed = await self._passwords.hash(new, user.email, "new")
        async with self._desk.change(actor, tenant, PASSWORD, actor.name) as case:
            case.detail["address"] = address
            await case.tenant_exists()
            if (await self._users.get(case.connection, tenant, id)).password != user.password:
                raise Conflict("The password was changed meanwhile.")
            await self._users.update(case.connection, tenant, id, password=hashed)
            await case.publish(EventKind.USER_UPDATED, {"id": id, "changed": ("password",)})

    def jwks(self) -> Mapping[str, Any]:
        """Public keys that verify access tokens now (RFC 7517), from memory."""
        return self._desk.directory.jwks()

    async def rotate(self, actor: Actor) -> str:
        """Make the next signing key; it signs in a few seconds."""
        tenant = actor.caller.tenant
        async with self._desk.change(actor, tenant, "signing_key.rotate", "signing_key:") as case:
            key = await self._signing.rotate(case.connection)
            case.resource = f"signing_key:{key}"
        return key

    def _note(self, action: str, tenant: str, user: str, address: str, request_id: str) -> None:
        name = f"user:{user}"
        at, detail = self._desk.clock.wall(), {"address": address}
        record = AuditRecord(at, tenant, name, action, name, "ok", request_id, detail)
        self._desk.trail.enqueue(record)

    def _note_refused(self, action: str, problem: Problem, address: str, request_id: str) -> None:
        """Anybody can cause these: each kind once a minute."""
        at, detail = self._desk.clock.wall(), {"address": address}
        self._desk.trail.enqueue_repeatable(
            AuditRecord(
                at, NOBODY, "anonymous", action, "session", problem.slug, request_id, detail
            )
        )
