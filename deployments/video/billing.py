"""The charges for clip jobs: seconds of video, charged on acceptance and refunded if the job fails;
and seconds of speech that the job recognised, charged when it succeeds.

Flows in: a plan and seconds, or a job that ended without clips. Flows out: entries of the usage
ledger, written in the transaction that accepts or ends the job, so each exactly once; and credits
of the current budget in the limiter of one replica.
"""

import logging
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.price_list import LOCAL
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.dimensions import NO_DIMENSIONS, CallDimensions
from cluster.usage.entries import UsageEntry
from deployments.contracts.jobs import Job
from deployments.jobs.completion import has_refundable, take_refundable
from deployments.video.job_spec import CLIPS

LEDGER = "clipper"  # the name of this work in usage reports
CHARGE = "charge"  # the member of a job's spec that holds its charge
POLL_S = 2.0
DAY_S = 86_400.0

NO_POLICIES: Mapping[str, CallerPolicies] = MappingProxyType({})

log = logging.getLogger("mobula.ingress")


def charge(
    tenant: str,
    key: str,
    plan: Plan,
    seconds: int,
    at: float,
    dimensions: CallDimensions = NO_DIMENSIONS,
) -> UsageEntry:
    """Of the video, by the plan's current prices and weights; `at` is Unix seconds."""
    amounts = UsageAmounts(video_seconds=seconds)
    cost, prices = plan.weights.cost(amounts), plan.prices_of(LEDGER, LOCAL) or {}
    return UsageEntry(
        at, tenant, key, LEDGER, amounts, cost, 0, prices=prices, dimensions=dimensions
    )


def charge_to_json(entry: UsageEntry, audio_seconds: int = 0) -> dict[str, Any]:
    """For the job's spec, so that exactly this is refunded. `audio_seconds` are reserved in the
    budget for speech that the job will probably recognise."""
    return {
        "at": entry.at,
        "audio_seconds": audio_seconds,
        "seconds": entry.amounts.video_seconds,
        "cost_units": entry.cost_units,
        "prices": {str(unit): price for unit, price in entry.prices.items()},
        "dimensions": [*entry.dimensions],
    }


ChargeSpeech = Callable[[Job, float], UsageEntry | None]


def no_charge(job: Job, heard_s: float) -> UsageEntry | None:
    """Speech is not charged."""
    return None


def speech_charge(job: Job, plan: Plan, heard_s: float, at: float) -> UsageEntry | None:
    """For `heard_s` seconds of a job's recording whose speech was recognised; None: there are
    none. It is entered with the job's success, on behalf of the same caller as the video's."""
    if heard_s <= 0:
        return None
    amounts = UsageAmounts(audio_seconds=max(1, math.ceil(heard_s)))
    cost, prices = plan.weights.cost(amounts), plan.prices_of(LEDGER, LOCAL) or {}
    dimensions = _dimensions(job.spec.get(CHARGE, {}))
    return UsageEntry(
        at, job.tenant, job.key, LEDGER, amounts, cost, 0, prices=prices, dimensions=dimensions
    )


def _dimensions(charged: Mapping[str, Any]) -> CallDimensions:
    team, end_user, tags = charged.get("dimensions", NO_DIMENSIONS)
    return CallDimensions(team, end_user, tuple(tags))


def charged_seconds(job: Job) -> int:
    """0 for a job that was not charged."""
    return int(job.spec.get(CHARGE, {}).get("seconds", 0))


def refund(job: Job) -> UsageEntry | None:
    """The reversed charge, on the day of the charge."""
    charged = job.spec.get(CHARGE)
    if charged is None:
        return None
    amounts = UsageAmounts(video_seconds=-charged["seconds"])
    prices = {Unit(unit): price for unit, price in charged["prices"].items()}
    return UsageEntry(
        charged["at"],
        job.tenant,
        job.key,
        LEDGER,
        amounts,
        -charged["cost_units"],
        0,
        prices=prices,
        dimensions=_dimensions(charged),
    )


class Budgets(Protocol):
    """deployments/limiter/tenant_limiter.py."""

    def refund_budget(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        model: str,
        amounts: UsageAmounts,
        policies: CallerPolicies | None = None,
    ) -> None: ...


class BudgetRefunder:
    """Credits tenants' budgets with the charges of failed and cancelled jobs, each job by one
    replica. Jobs of earlier days are skipped: their budgets have ended.

    `start` it on the loop of the limiter; `close` it.
    """

    def __init__(
        self,
        database: Database,
        budgets: Budgets,
        plan_of: Callable[[str], Plan],
        clock: Clock,
        policies: Mapping[str, CallerPolicies] = NO_POLICIES,
    ) -> None:
        """`policies` are those of the keys that have any, by key id."""
        self._database = database
        self._budgets = budgets
        self._plan_of = plan_of
        self._policies = policies
        self._clock = clock
        self._refunds = PeriodicTask(self._try_refund, POLL_S, "refund of budgets", delayed=True)

    async def refund_due(self) -> int:
        """Refunds what is due; returns the number of jobs. Raises DatabaseUnavailable."""
        since = self._clock.wall() // DAY_S * DAY_S
        async with self._database.read() as connection:
            if not await has_refundable(connection, CLIPS, since):
                return 0
        async with self._database.begin() as connection:
            jobs = await take_refundable(connection, CLIPS, since)
        due = [job for job in jobs if job.created >= since]
        for job in due:
            self._refund(job)
        return len(due)

    async def start(self) -> None:
        self._refunds.start()

    async def close(self) -> None:
        await self._refunds.close()

    def _refund(self, job: Job) -> None:
        try:
            plan = self._plan_of(job.tenant)
        except Problem:
            return  # the tenant was deleted
        amounts = UsageAmounts(
            video_seconds=charged_seconds(job),
            audio_seconds=int(job.spec.get(CHARGE, {}).get("audio_seconds", 0)),
        )
        policies = self._policies.get(job.key)
        self._budgets.refund_budget(job.tenant, plan, RequestClass.MEDIA, LEDGER, amounts, policies)

    async def _try_refund(self) -> None:
        try:
            await self.refund_due()
        except Problem as problem:  # an unavailable store is in the log of whoever needs it
            log.debug("budgets were not refunded: %s", problem.detail)
