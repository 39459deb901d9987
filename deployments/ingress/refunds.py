"""Gives tenants' budgets back what jobs that failed or were cancelled had set aside.

Flows in: ended jobs, each seen by one replica. Flows out: credits in that replica's limiter. The
ledger was put right when the job ended; this is for the budget that is in force now. A job of
another day is left out: its budget is over.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.contracts.jobs import Job
from deployments.jobs.completion import has_refundable, take_refundable
from deployments.video.billing import LEDGER, seconds_of
from deployments.video.job_spec import CLIPS

LOOK_S = 2.0
DAY_S = 86_400.0

log = logging.getLogger("mobula.ingress")


class Budgets(Protocol):
    """deployments/limiter/tenant_limiter.py."""

    def refund_budget(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        model: str,
        amounts: UsageAmounts,
    ) -> None: ...


class Refunds:
    """`start` it on the loop of the limiter; `close` it."""

    def __init__(
        self, database: Database, budgets: Budgets, plan_of: Callable[[str], Plan], clock: Clock
    ) -> None:
        self._database = database
        self._budgets = budgets
        self._plan_of = plan_of
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> int:
        """Give back what is due; returns of how many jobs. Raises StoreDown."""
        since = self._clock.wall() // DAY_S * DAY_S
        async with self._database.read() as connection:
            if not await has_refundable(connection, CLIPS, since):
                return 0
        async with self._database.begin() as connection:
            found = await take_refundable(connection, CLIPS, since)
        due = [job for job in found if job.created >= since]
        for job in due:
            self._give_back(job)
        return len(due)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="refunds")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _give_back(self, job: Job) -> None:
        try:
            plan = self._plan_of(job.tenant)
        except Problem:
            return  # the tenant is gone
        amounts = UsageAmounts(video_seconds=seconds_of(job))
        self._budgets.refund_budget(job.tenant, plan, RequestClass.MEDIA, LEDGER, amounts)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Problem as problem:
                log.debug("budgets were not given back: %s", problem.detail)
            except Exception:
                log.exception("budgets were not given back; it will try again")
