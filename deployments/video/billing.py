"""What a job of clips is charged: seconds of video, when it is accepted; given back if it fails.

Flows in: a plan and seconds, or a job that ended without clips. Flows out: entries for the usage
ledger, written in the transaction that accepts or ends the job, so each exactly once.
"""

from typing import Any

from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.ledger import UsageEntry
from deployments.contracts.jobs import Job

LEDGER = "clipper"  # what usage reports call this work
CHARGE = "charge"  # the member of a job's spec that keeps what it was charged


def charge(tenant: str, key: str, plan: Plan, seconds: int, at: float) -> UsageEntry:
    """By the plan's prices and weights as they are now; `at` is Unix seconds."""
    amounts = UsageAmounts(video_seconds=seconds)
    cost = plan.weights.cost(amounts)
    return UsageEntry(at, tenant, key, LEDGER, amounts, cost, requests=0, prices=plan.prices)


def charge_to_json(entry: UsageEntry) -> dict[str, Any]:
    """For the job's spec, so that just this is given back."""
    return {
        "at": entry.at,
        "seconds": entry.amounts.video_seconds,
        "cost_units": entry.cost_units,
        "prices": {str(unit): price for unit, price in entry.prices.items()},
    }


def seconds_of(job: Job) -> int:
    """What it was charged; 0 for a job that was not."""
    return int(job.spec.get(CHARGE, {}).get("seconds", 0))


def refund(job: Job) -> UsageEntry | None:
    """The charge taken back, on the day on which it was made."""
    made = job.spec.get(CHARGE)
    if made is None:
        return None
    amounts = UsageAmounts(video_seconds=-made["seconds"])
    prices = {Unit(unit): price for unit, price in made["prices"].items()}
    return UsageEntry(
        made["at"], job.tenant, job.key, LEDGER, amounts, -made["cost_units"], 0, prices=prices
    )
