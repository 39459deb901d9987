"""Invalidation of cached responses, by a tenant or by the operator."""

import logging
from typing import Protocol

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.invalidation import store
from cluster.invalidation.target import EVERYBODY, Invalidation, Target, check_target
from cluster.runtime.problems import Forbidden, Problem
from cluster.tenants.caller import Scope

VISIBLE_WITHIN_S = 1.0  # on every replica that reaches the database; replicas poll more often

logger = logging.getLogger("mobula.administration")


class InvalidationRefresher(Protocol):
    """cluster/invalidation/feed.py: InvalidationFeed."""

    async def refresh(self) -> None: ...


class CacheService:
    """`feed` is this process's invalidation feed, None without a cache."""

    def __init__(self, unit_of_work: UnitOfWork, feed: InvalidationRefresher | None = None) -> None:
        self._unit_of_work = unit_of_work
        self._feed = feed

    async def invalidate(self, actor: Actor, tenant: str | None, target: Target) -> Invalidation:
        """Invalidates every cached response of `target` whose computation has started before now.

        `tenant` None: every tenant; operator only. The returned invalidation may be wider than
        `target`. Raises InvalidRequest, Forbidden, NotFound or TooManyPrefixes.
        """
        scope = EVERYBODY if tenant is None else tenant
        check_target(scope, target)
        _check_operator(actor, tenant)
        resource = f"cache:{target.kind}:{target.name}"
        audit_tenant = actor.caller.tenant if tenant is None else tenant
        async with self._unit_of_work.change(
            actor, audit_tenant, "cache.invalidate", resource
        ) as change:
            if tenant is not None:
                await change.lock_tenant()
            invalidation = await store.add(
                change.connection, self._unit_of_work.clock, scope, target
            )
            change.detail |= {
                "seq": invalidation.seq,
                "became": invalidation.kind,
                "all_tenants": tenant is None,
            }
        await self._refresh_feed()
        return invalidation

    async def _refresh_feed(self) -> None:
        """Refreshes this process's feed; a failure is logged, as the feed also polls."""
        try:
            if self._feed is not None:
                await self._feed.refresh()
        except Problem as problem:
            logger.warning("invalidations could not be refreshed: %s", problem.detail)


def _check_operator(actor: Actor, tenant: str | None) -> None:
    if tenant is None and not actor.is_operator:
        raise Forbidden(
            "Only the operator may invalidate responses of every tenant.",
            required_scope=str(Scope.ADMIN),
            param="all_tenants",
        )
