"""Changing users. Nobody adds, changes or removes a user who may do more than they may.

A tenant that has owners keeps one: the last active owner cannot be removed, demoted or disabled.
"""

from sqlalchemy import func, select

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.auth.keys import random_text
from cluster.auth.models import User, UserStatus
from cluster.auth.passwords import Passwords, normalised_email
from cluster.auth.repository import UserRepository as Repository
from cluster.auth.roles import scopes_of
from cluster.auth.row_macs import RowMacs
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import Page
from cluster.storage.tables import users
from cluster.tenants.caller import Role

ID_LENGTH = 16


class UserService:
    """Listing, adding, changing and removing users."""

    def __init__(self, desk: UnitOfWork, passwords: Passwords, macs: RowMacs) -> None:
        self._desk = desk
        self._passwords = passwords
        self._users = Repository(desk.clock, macs)

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[User]:
        async with self._desk.database.read() as connection:
            return await self._users.list(connection, tenant, limit, after)

    async def get(self, tenant: str, user: str) -> User:
        """Raises NotFound."""
        async with self._desk.database.read() as connection:
            return await self._users.get(connection, tenant, user)

    async def create(
        self, actor: Actor, tenant: str, email: str, password: str, role: Role
    ) -> User:
        """Raises Forbidden, InvalidRequest (email, password), Conflict (email) or NotFound."""
        actor.can_grant(scopes_of(role), f"The role '{role}'")
        email = normalised_email(email)
        hashed, now = await self._passwords.hash(password, email), self._desk.clock.wall()
        user = User(random_text(ID_LENGTH), tenant, email, hashed, role, "active", now, now, now)
        async with self._desk.change(actor, tenant, "user.create", f"user:{user.id}") as case:
            await case.tenant_exists()
            await self._users.add(case.connection, tenant, user)
            case.detail["role"] = role.value
            await case.publish(EventKind.USER_CREATED, {"id": user.id, "role": role.value})
        return user

    async def update(
        self,
        actor: Actor,
        tenant: str,
        user: str,
        *,
        role: Role | None = None,
        status: UserStatus | None = None,
        password: str | None = None,
    ) -> User:
        """Change what is given; the user's tokens are void from then on."""
        hashed = None if password is None else await self._hashed(tenant, user, password)
        async with self._desk.change(actor, tenant, "user.update", f"user:{user}") as case:
            changed = case.changed(role=role, status=status, password=password)
            before = await self._covered(case, user)
            if role is not None:
                actor.can_grant(scopes_of(role), f"The role '{role}'")
                case.detail["role"] = role.value
            if role not in (None, Role.OWNER) or status == "disabled":
                await _keeps_an_owner(case, before)
            after = await self._users.update(
                case.connection, tenant, user, role=role, status=status, password=hashed
            )
            if before.status != "disabled" and status == "disabled":
                await case.publish(EventKind.USER_DISABLED, {"id": user})
            else:
                await case.publish(EventKind.USER_UPDATED, {"id": user, "changed": changed})
        return after

    async def delete(self, actor: Actor, tenant: str, user: str) -> None:
        """Raises NotFound, Forbidden, or Conflict for the last owner."""
        async with self._desk.change(actor, tenant, "user.delete", f"user:{user}") as case:
            await _keeps_an_owner(case, await self._covered(case, user, altered=True))
            await self._users.delete(case.connection, tenant, user)
            await case.publish(EventKind.USER_DELETED, {"id": user})

    async def _hashed(self, tenant: str, user: str, password: str) -> str:
        """Takes a while, so it is done before the transaction."""
        email = (await self.get(tenant, user)).email
        return await self._passwords.hash(password, email)

    async def _covered(self, case: Change, user: str, *, altered: bool = False) -> User:
        await case.tenant_exists()  # also keeps two changes of the tenant's users apart
        found = await self._users.get(case.connection, case.tenant, user, altered=altered)
        case.actor.can_grant(scopes_of(found.role), "This user")
        return found


async def _keeps_an_owner(case: Change, leaving: User) -> None:
    if leaving.role is not Role.OWNER or leaving.status != "active":
        return
    others = select(func.count()).where(
        users.c.tenant == case.tenant,
        users.c.role == Role.OWNER.value,
        users.c.status == "active",
        users.c.id != leaving.id,
    )
    if not (await case.connection.execute(others)).scalar_one():
        raise Conflict("The tenant's last owner cannot be removed, demoted or disabled.")
