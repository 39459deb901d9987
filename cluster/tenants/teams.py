"""SQL of teams: groups of a tenant's keys that share limits.

Methods take the caller's connection first and never commit. Each change is also written to the
table `changes`, under the tenant's id. Knows no authorization and no keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.pagination import DEFAULT_LIMIT, Page, is_id, page
from cluster.storage.tables import teams
from cluster.tenants.policy import LimitPolicy, parse_policy, policy_text
from cluster.tenants.repository import record_change


@dataclass(frozen=True, slots=True)
class Team:
    """A team of a tenant; `policy` None: it limits nothing. Times are Unix seconds."""

    tenant: str
    id: str
    name: str
    policy: LimitPolicy | None
    created: float
    updated: float


class TeamRepository:
    """Teams of tenants; ids are unique in a tenant."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        name: str,
        policy: LimitPolicy | None,
    ) -> Team:
        """Raises Conflict if the tenant has a team of this id."""
        now = self._clock.wall()
        team = Team(tenant, id, name, policy, now, now)
        try:
            await connection.execute(insert(teams).values(**_values(team)))
        except IntegrityError as error:
            raise Conflict(f"There is a team '{id}' already.", param="id") from error
        await record_change(connection, self._clock, "team", tenant)
        return team

    async def get(self, connection: AsyncConnection, tenant: str, id: str) -> Team:
        """Raises NotFound."""
        row = None
        if is_id(tenant) and is_id(id):
            statement = select(teams).where(teams.c.tenant == tenant, teams.c.id == id)
            row = (await connection.execute(statement)).first()
        if row is None:
            raise NotFound(f"There is no team '{id[:63]}'.", param="team")
        return _team(row)

    async def list(
        self,
        connection: AsyncConnection,
        tenant: str,
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> Page[Team]:
        statement = select(teams).where(teams.c.tenant == tenant)
        return await page(connection, statement, teams.c.id, limit, after, _team)

    async def update(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        *,
        name: str | None = None,
        policy: LimitPolicy | None = None,
    ) -> Team:
        """Sets fields that are not None; a policy without limits takes them away. Raises
        NotFound."""
        before = await self.get(connection, tenant, id)
        after = replace(
            before,
            name=before.name if name is None else name,
            policy=before.policy if policy is None else policy,
            updated=self._clock.wall(),
        )
        conditions = (teams.c.tenant == tenant, teams.c.id == id)
        await connection.execute(update(teams).where(*conditions).values(**_values(after)))
        await record_change(connection, self._clock, "team", tenant)
        return await self.get(connection, tenant, id)

    async def delete(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        """Raises NotFound."""
        await self.get(connection, tenant, id)
        await connection.execute(delete(teams).where(teams.c.tenant == tenant, teams.c.id == id))
        await record_change(connection, self._clock, "team", tenant)


def _values(team: Team) -> Mapping[str, Any]:
    return {
        "tenant": team.tenant,
        "id": team.id,
        "name": team.name,
        "policy": policy_text(team.policy),
        "created": team.created,
        "updated": team.updated,
    }


def _team(row: Row[Any]) -> Team:
    return Team(**{**row._mapping, "policy": parse_policy(row.policy)})
