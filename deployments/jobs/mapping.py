"""Rows of the job tables as the values of deployments/contracts/jobs.py, and back.

Flows in: rows, or a NewJob. Flows out: Job, Part and JobEvent, or the columns of a new row. Runs no
statement.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from cluster.tenants.caller import Priority
from deployments.contracts.jobs import Job, JobEvent, JobOutput, NewJob

PRIORITIES = (Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH)  # most urgent first
_RANK = {priority: rank for rank, priority in enumerate(PRIORITIES)}
_SAME = (
    *("id", "tenant", "kind", "key", "subject", "state", "stage", "percent", "cost", "weight"),
    *("spec", "result", "problem", "attempts", "max_attempts", "version", "created", "started"),
    *("ended", "expires", "request_id"),
)


def job_of(row: Row[Any]) -> Job:
    named = row._mapping
    return Job(
        **{name: named[name] for name in _SAME},
        priority=PRIORITIES[named["priority"]],
        cancel_asked=bool(named["cancel_asked"]),
    )


def part_of(row: Row[Any]) -> JobOutput:
    return JobOutput(row.job, row.number, row.state, row.data, row.updated)


def event_of(row: Row[Any]) -> JobEvent:
    return JobEvent(row.job, row.seq, row.at, row.kind, row.data)


def columns_of(new: NewJob, now: float) -> Mapping[str, Any]:
    """A row that waits to be claimed. Raises ValueError for what could never take its turn."""
    if new.cost < 1 or new.weight <= 0 or new.max_attempts < 1:
        raise ValueError("cost and max_attempts are at least 1, weight is more than 0")
    return {
        "id": f"job_{secrets.token_hex(14)}",
        "tenant": new.tenant,
        "kind": new.kind,
        "key": new.key,
        "subject": new.subject,
        "state": "queued",
        "stage": "",
        "percent": 0.0,
        "priority": _RANK[new.priority],
        "cost": new.cost,
        "weight": new.weight,
        "spec": dict(new.spec),
        "result": {},
        "problem": None,
        "attempts": 0,
        "max_attempts": new.max_attempts,
        "next": now,
        "fence": 0,
        "worker": None,
        "leased": None,
        "cancel_asked": False,
        "version": 0,
        "events": 0,
        "created": now,
        "started": None,
        "ended": None,
        "keep_s": new.keep_s,
        "expires": None,
        "request_id": new.request_id,
    }
