"""Signing in and out, with its lines in the audit trail, and the keys that sign access tokens.

A line says who and from where; of a failed sign-in only from where, because what was typed as an
email may be anything, also a password.
"""

from collections.abc import Mapping
from typing import Any

from cluster.audit.record import AuditRecord
from cluster.auth.passwords import Passwords
from cluster.auth.repository import Users
from cluster.auth.row_macs import RowMacs
from cluster.auth.sessions import Sessions, SignedIn
from cluster.auth.signing import Signing
from cluster.events.kinds import EventKind
from cluster.problems import Conflict, Forbidden, InvalidRequest, Problem
from cluster.tenants.administration.actor import Actor
from cluster.tenants.administration.desk import Desk

NOBODY = "-"  # the tenant of a sign-in that failed
PASSWORD = "auth.password"


class SigningIn:
    """Sessions of users, and rolling over the keys behind them."""

    def __init__(self, desk: Desk, sessions: Sessions, passwords: Passwords, pepper: bytes) -> None:
        self._desk = desk
        self._sessions = sessions
        self._passwords = passwords
        self._users = Users(desk.clock, RowMacs(pepper))
        self._signing = Signing(pepper, desk.clock)

    async def login(self, email: str, password: str, address: str, request_id: str) -> SignedIn:
        """Raises as `Sessions.login`."""
        try:
            made = await self._sessions.login(email, password, address)
        except Problem as problem:
            self._note("auth.login", None, problem.slug, address, request_id)
            raise
        self._note("auth.login", made, "ok", address, request_id)
        return made

    async def refresh(self, token: str, address: str, request_id: str) -> SignedIn:
        """Raises as `Sessions.refresh`."""
        try:
            made = await self._sessions.refresh(token)
        except Problem as problem:
            self._note("auth.refresh", None, problem.slug, address, request_id)
            raise
        self._note("auth.refresh", made, "ok", address, request_id)
        return made

    async def logout(self, token: str, address: str, request_id: str) -> None:
        await self._sessions.logout(token)
        self._note("auth.logout", None, "ok", address, request_id)

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
            self._desk.trail.note(
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
            await case.tell(EventKind.USER_UPDATED, {"id": id, "changed": ("password",)})

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

    def _note(
        self, action: str, made: SignedIn | None, outcome: str, address: str, request_id: str
    ) -> None:
        user = made.user if made is not None else None
        self._desk.trail.note(
            AuditRecord(
                at=self._desk.clock.wall(),
                tenant=user.tenant if user is not None else NOBODY,
                actor=f"user:{user.id}" if user is not None else "anonymous",
                action=action,
                resource=f"user:{user.id}" if user is not None else "session",
                outcome=outcome,
                request_id=request_id,
                detail={"address": address},
            )
        )
