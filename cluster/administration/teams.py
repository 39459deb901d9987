"""Administration of teams: groups of a tenant's keys that share limits."""

from cluster.administration.actor import Actor
from cluster.administration.limited_keys import actor_limits
from cluster.administration.unit_of_work import UnitOfWork
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.row_macs import RowMacs
from cluster.events.kinds import EventKind
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import Page
from cluster.tenants.policy import LimitPolicy
from cluster.tenants.teams import Team, TeamRepository

_CHANGE_TEAMS = "change teams"


class TeamService:
    """Lists, creates, changes and deletes teams."""

    def __init__(self, unit_of_work: UnitOfWork, macs: RowMacs) -> None:
        self._unit_of_work = unit_of_work
        self._teams = TeamRepository(unit_of_work.clock)
        self._keys = ApiKeyRepository(unit_of_work.clock, macs)

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[Team]:
        async with self._unit_of_work.database.read() as connection:
            return await self._teams.list(connection, tenant, limit, after)

    async def get(self, tenant: str, team: str) -> Team:
        """Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            return await self._teams.get(connection, tenant, team)

    async def create(
        self, actor: Actor, tenant: str, id: str, name: str, policy: LimitPolicy | None
    ) -> Team:
        """Raises Conflict (the id is taken), Forbidden, NotFound (tenant)."""
        async with self._unit_of_work.change(actor, tenant, "team.create", f"team:{id}") as change:
            await change.lock_tenant()
            (await actor_limits(change, self._keys, actor)).check_unlimited(_CHANGE_TEAMS)
            team = await self._teams.create(change.connection, tenant, id, name, policy)
            await change.publish(EventKind.TEAM_CREATED, {"id": id, "name": name})
        return team

    async def update(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        *,
        name: str | None = None,
        policy: LimitPolicy | None = None,
    ) -> Team:
        """Changes fields that are not None; an empty policy takes the limits away. Raises NotFound,
        Forbidden."""
        async with self._unit_of_work.change(actor, tenant, "team.update", f"team:{id}") as change:
            changed = change.record_changed(name=name, policy=policy)
            await change.lock_tenant()
            (await actor_limits(change, self._keys, actor)).check_unlimited(_CHANGE_TEAMS)
            team = await self._teams.update(change.connection, tenant, id, name=name, policy=policy)
            await change.publish(EventKind.TEAM_UPDATED, {"id": id, "changed": changed})
        return team

    async def delete(self, actor: Actor, tenant: str, id: str, *, detach: bool = False) -> None:
        """With `detach`, its keys are in no team from then on. Raises NotFound, Forbidden, or
        Conflict while it has keys."""
        async with self._unit_of_work.change(actor, tenant, "team.delete", f"team:{id}") as change:
            await change.lock_tenant()
            (await actor_limits(change, self._keys, actor)).check_unlimited(_CHANGE_TEAMS)
            await self._teams.get(change.connection, tenant, id)
            now = change.clock.wall()
            keys = await self._keys.of_team(change.connection, tenant, id)
            if not detach and any(key.status(now) == "active" for key in keys):
                raise Conflict(
                    f"Team '{id}' has keys; move them first, or detach them.", param="team"
                )
            for key in keys:
                await self._keys.update(change.connection, tenant, key.id, team="")
            change.detail["keys"] = len(keys)
            await self._teams.delete(change.connection, tenant, id)
            await change.publish(EventKind.TEAM_DELETED, {"id": id})
