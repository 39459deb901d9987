"""Sign-in and sign-out with audit records, and rotation of the keys that sign access tokens.

A record holds user and address; of a failed sign-in only the address, because the text in the email
field may be a password. Refused attempts make one record a minute for each address, with a count;
an unknown token makes none.
"""

from collections.abc import Mapping
from typing import Any

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.audit.record import AuditRecord
from cluster.auth.passwords import Passwords
from cluster.auth.row_macs import RowMacs
from cluster.auth.sessions import Sessions, TokenPair
from cluster.auth.signing import SigningKeyService
from cluster.auth.throttle import AddressRate
from cluster.auth.user_repository import UserRepository
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict, Forbidden, InvalidRequest, Problem, Unauthenticated

NO_TENANT = "-"  # the tenant of a failed sign-in
PASSWORD = "auth.password"


class SignInService:
    """Sessions of users, passwords, and rotation of signing keys."""

    def __init__(
        self, unit_of_work: UnitOfWork, sessions: Sessions, passwords: Passwords, pepper: bytes
    ) -> None:
        self._unit_of_work = unit_of_work
        self._sessions = sessions
        self._passwords = passwords
        self._users = UserRepository(unit_of_work.clock, RowMacs(pepper))
        self._signing = SigningKeyService(pepper, unit_of_work.clock)
        self._rate = AddressRate(unit_of_work.clock)

    async def login(
        self, email: str, password: str, tenant: str | None, address: str, request_id: str
    ) -> TokenPair:
        """Raises as `Sessions.login`."""
        try:
            self._rate.take(address)
            tokens = await self._sessions.login(email, password, address, tenant)
        except Problem as problem:
            self._record_refusal("auth.login", problem, address, request_id)
            raise
        self._record("auth.login", tokens.user.tenant, tokens.user.id, address, request_id)
        return tokens

    async def refresh(self, token: str, address: str, request_id: str) -> TokenPair:
        """Raises as `Sessions.refresh`, and RateLimited."""
        try:
            self._rate.take(address)
            tokens = await self._sessions.refresh(token)
        except Unauthenticated as problem:
            if await self._sessions.knows(token):  # the access log records unknown tokens
                self._record_refusal("auth.refresh", problem, address, request_id)
                await self._unit_of_work.refresh_directory()  # its session may have ended just now
            raise
        except Problem as problem:
            self._record_refusal("auth.refresh", problem, address, request_id)
            raise
        self._record("auth.refresh", tokens.user.tenant, tokens.user.id, address, request_id)
        return tokens

    async def logout(self, token: str, address: str, request_id: str) -> None:
        """Ends the token's session; records it if there was one. Raises RateLimited."""
        self._rate.take(address)
        ended = await self._sessions.logout(token)
        if ended is not None:
            self._record("auth.logout", ended.tenant, ended.user, address, request_id)
            await self._unit_of_work.refresh_directory()

    async def change_password(self, actor: Actor, current: str, new: str, address: str) -> None:
        """Changes the caller's password; all their sessions end, this one included.

        Raises Forbidden for a key, InvalidRequest (`current`, `new`), RateLimited, Overloaded, or
        Conflict if it was changed meanwhile.
        """
        if actor.caller.kind != "user":
            raise Forbidden("A key has no password; sign in as a user.")
        try:
            await self._change_password(actor, current, new, address)
        except Problem as problem:
            self._unit_of_work.trail.enqueue_repeatable(
                AuditRecord(
                    at=self._unit_of_work.clock.wall(),
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
        async with self._unit_of_work.database.read() as connection:
            user = await self._users.get(connection, tenant, id)
        await self._sessions.confirm(user, current, address)
        if new == current:
            raise InvalidRequest("'new' is the current password.", param="new")
        hashed = await self._passwords.hash(new, user.email, "new")
        async with self._unit_of_work.change(actor, tenant, PASSWORD, actor.name) as change:
            change.detail["address"] = address
            await change.lock_tenant()
            if (await self._users.get(change.connection, tenant, id)).password != user.password:
                raise Conflict("The password was changed meanwhile.")
            await self._users.update(change.connection, tenant, id, password=hashed)
            await change.publish(EventKind.USER_UPDATED, {"id": id, "changed": ("password",)})

    def jwks(self) -> Mapping[str, Any]:
        """Public keys that verify access tokens (RFC 7517), from memory."""
        return self._unit_of_work.directory.jwks()

    async def rotate(self, actor: Actor) -> str:
        """Creates the next signing key, which is in use after a few seconds; returns its id."""
        tenant = actor.caller.tenant
        async with self._unit_of_work.change(
            actor, tenant, "signing_key.rotate", "signing_key:"
        ) as change:
            key = await self._signing.rotate(change.connection)
            change.resource = f"signing_key:{key}"
        return key

    def _record(self, action: str, tenant: str, user: str, address: str, request_id: str) -> None:
        name = f"user:{user}"
        at, detail = self._unit_of_work.clock.wall(), {"address": address}
        record = AuditRecord(at, tenant, name, action, name, "ok", request_id, detail)
        self._unit_of_work.trail.enqueue(record)

    def _record_refusal(self, action: str, problem: Problem, address: str, request_id: str) -> None:
        """Records a refusal, each kind once a minute, as any client can cause them."""
        at, detail = self._unit_of_work.clock.wall(), {"address": address}
        self._unit_of_work.trail.enqueue_repeatable(
            AuditRecord(
                at, NO_TENANT, "anonymous", action, "session", problem.slug, request_id, detail
            )
        )
