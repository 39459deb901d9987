"""Invalidating cached answers: what a tenant, or the operator, declares worthless."""

import logging
from typing import Protocol

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.invalidation import store
from cluster.invalidation.target import EVERYBODY, Invalidation, Target, check_target
from cluster.runtime.problems import Forbidden, Problem
from cluster.tenants.caller import Scope

VISIBLE_WITHIN_S = 1.0  # on every replica that reaches the store; it polls oftener

logger = logging.getLogger("mobula.administration")


class InvalidationRefresher(Protocol):
    """cluster/invalidation/feed.py: InvalidationFeed."""

    async def refresh(self) -> None: ...


class CacheService:
    """`feed` is this process's own, None where it keeps no answers."""

    def __init__(self, desk: UnitOfWork, feed: InvalidationRefresher | None = None) -> None:
        self._desk = desk
        self._feed = feed

    async def invalidate(self, actor: Actor, tenant: str | None, what: Target) -> Invalidation:
        """From now on no answer is served that `what` touches and that began to be computed before.

        `tenant` None is every tenant, and the operator's. What is returned may be wider than what
        was asked for. Raises InvalidRequest, Forbidden, NotFound or TooManyPrefixes.
        """
        of = EVERYBODY if tenant is None else tenant
        check_target(of, what)
        _may(actor, tenant)
        resource = f"cache:{what.kind}:{what.name}"
        noted = actor.caller.tenant if tenant is None else tenant
        async with self._desk.change(actor, noted, "cache.invalidate", resource) as case:
            if tenant is not None:
                await case.tenant_exists()
            made = await store.add(case.connection, self._desk.clock, of, what)
            case.detail |= {"seq": made.seq, "became": made.kind, "all_tenants": tenant is None}
        await self._heed()
        return made

    async def _heed(self) -> None:
        """The invalidation holds whatever happens here; the feed also polls by itself."""
        try:
            if self._feed is not None:
                await self._feed.refresh()
        except Problem as problem:
            logger.warning("invalidations could not be refreshed: %s", problem.detail)


def _may(actor: Actor, tenant: str | None) -> None:
    if tenant is None and not actor.is_operator:
        raise Forbidden(
            "Only the operator invalidates what is every tenant's.",
            required_scope=str(Scope.ADMIN),
            param="all_tenants",
        )
