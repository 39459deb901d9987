"""Administration of users. An actor cannot create, change or delete a user with more rights.

The last active owner of a tenant cannot be deleted, demoted or disabled.
"""

from sqlalchemy import func, select

from cluster.administration.actor import Actor
from cluster.administration.limited_keys import actor_limits
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import random_text
from cluster.auth.models import User, UserStatus
from cluster.auth.passwords import Passwords, normalised_email
from cluster.auth.roles import scopes_of
from cluster.auth.row_macs import RowMacs
from cluster.auth.user_repository import UserRepository as Repository
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import Page
from cluster.storage.tables import users
from cluster.tenants.caller import Role

ID_LENGTH = 16


class UserService:
    """Lists, creates, changes and deletes users."""

    def __init__(self, unit_of_work: UnitOfWork, passwords: Passwords, macs: RowMacs) -> None:
        self._unit_of_work = unit_of_work
        self._passwords = passwords
        self._users = Repository(unit_of_work.clock, macs)
        self._keys = ApiKeyRepository(unit_of_work.clock, macs)

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[User]:
        async with self._unit_of_work.database.read() as connection:
            return await self._users.list(connection, tenant, limit, after)

    async def get(self, tenant: str, user: str) -> User:
        """Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            return await self._users.get(connection, tenant, user)

    async def create(
        self, actor: Actor, tenant: str, email: str, password: str, role: Role
    ) -> User:
        """Raises Forbidden, InvalidRequest (email, password), Conflict (email) or NotFound."""
        actor.check_grant(scopes_of(role), f"The role '{role}'")
        email = normalised_email(email)
        hashed, now = await self._passwords.hash(password, email), self._unit_of_work.clock.wall()
        user = User(random_text(ID_LENGTH), tenant, email, hashed, role, "active", now, now, now)
        async with self._unit_of_work.change(
            actor, tenant, "user.create", f"user:{user.id}"
        ) as change:
            await change.lock_tenant()
            (await actor_limits(change, self._keys, actor)).check_unlimited("make users")
            await self._users.add(change.connection, tenant, user)
            change.detail["role"] = role.value
            await change.publish(EventKind.USER_CREATED, {"id": user.id, "role": role.value})
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
        """Changes the fields that are not None; the user's tokens become invalid."""
        hashed = None if password is None else await self._hash_password(tenant, user, password)
        async with self._unit_of_work.change(
            actor, tenant, "user.update", f"user:{user}"
        ) as change:
            changed_fields = change.record_changed(role=role, status=status, password=password)
            before = await self._get_grantable(change, user)
            (await actor_limits(change, self._keys, actor)).check_unlimited("change users")
            if role is not None:
                actor.check_grant(scopes_of(role), f"The role '{role}'")
                change.detail["role"] = role.value
            if role not in (None, Role.OWNER) or status == "disabled":
                await _check_owner_remains(change, before)
            after = await self._users.update(
                change.connection, tenant, user, role=role, status=status, password=hashed
            )
            if before.status != "disabled" and status == "disabled":
                await change.publish(EventKind.USER_DISABLED, {"id": user})
            else:
                await change.publish(
                    EventKind.USER_UPDATED, {"id": user, "changed": changed_fields}
                )
        return after

    async def delete(self, actor: Actor, tenant: str, user: str) -> None:
        """Raises NotFound, Forbidden, or Conflict for the last owner."""
        async with self._unit_of_work.change(
            actor, tenant, "user.delete", f"user:{user}"
        ) as change:
            await self.check_removable(change, user)
            await self._users.delete(change.connection, tenant, user)
            await change.publish(EventKind.USER_DELETED, {"id": user})

    async def check_removable(self, change: Change, user: str) -> None:
        """Raises NotFound, Forbidden, or Conflict for the last owner."""
        await _check_owner_remains(change, await self._get_grantable(change, user, altered=True))

    async def _hash_password(self, tenant: str, user: str, password: str) -> str:
        """Hashes a password; slow, so it runs before the transaction."""
        email = (await self.get(tenant, user)).email
        return await self._passwords.hash(password, email)

    async def _get_grantable(self, change: Change, user: str, *, altered: bool = False) -> User:
        await change.lock_tenant()  # serializes changes of the tenant's users
        target = await self._users.get(change.connection, change.tenant, user, altered=altered)
        change.actor.check_grant(scopes_of(target.role), "This user")
        return target


async def _check_owner_remains(change: Change, leaving: User) -> None:
    if leaving.role is not Role.OWNER or leaving.status != "active":
        return
    others = select(func.count()).where(
        users.c.tenant == change.tenant,
        users.c.role == Role.OWNER.value,
        users.c.status == "active",
        users.c.id != leaving.id,
    )
    if not (await change.connection.execute(others)).scalar_one():
        raise Conflict("The tenant's last owner cannot be removed, demoted or disabled.")
