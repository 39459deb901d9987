"""Levels of loggers, changed by the operator for a while: audited first, then applied."""

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.logs.levels import LevelOverride
from cluster.runtime.problems import Forbidden
from cluster.tenants.caller import Scope


class LogLevelService:
    """Makes overrides; who asks passes them on to the processes."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    async def set_level(self, actor: Actor, logger: str, level: str, for_s: float) -> LevelOverride:
        """`level` (cluster/logs/levels.py: LEVELS) of a logger of ours and those below it, for
        `for_s` seconds. Raises Forbidden, DatabaseUnavailable, and ValueError."""
        now = self._unit_of_work.clock.wall()
        override = LevelOverride(logger, level, now + for_s, now)
        await self._record(actor, "logs.level", override)
        return override

    async def reset_level(self, actor: Actor, current: LevelOverride) -> LevelOverride:
        """What takes `current` back. Raises Forbidden, DatabaseUnavailable."""
        now = self._unit_of_work.clock.wall()
        override = LevelOverride(current.logger, "", current.until, now)
        await self._record(actor, "logs.reset", override)
        return override

    async def _record(self, actor: Actor, action: str, override: LevelOverride) -> None:
        if not actor.caller.allows(scope := Scope.CLUSTER_WRITE):
            raise Forbidden("Only operators may change levels.", required_scope=str(scope))
        resource = f"logs:{override.logger}"
        async with self._unit_of_work.change(
            actor, actor.caller.tenant, action, resource
        ) as change:
            if override.level:
                change.detail |= {"level": override.level, "until": override.until}
