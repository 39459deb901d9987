"""Start-time fair queueing of tenants, in cost units by weight.

After Goyal, Vin and Cheng, "Start-time Fair Queuing" (SIGCOMM 1996). A job's start tag is the
larger of its tenant's finish tag and the virtual time; its finish tag is that plus cost / weight.
The smallest start tag is served, and becomes the virtual time. So the
service of two backlogged tenants, by weight, differs by at most one largest job of each (their
theorem 1), and an idle tenant neither saves up service nor owes any. Virtual time stands still
while nothing waits.

Flows in: backlogged tenants. Flows out: an order, and rows of `job_shares`. The row without a
tenant holds the virtual time; a scheduler locks it, so decisions are made one at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import job_shares

CLOCK = ""  # no tenant's name


@dataclass(frozen=True, slots=True)
class TenantBacklog:
    """A tenant with due jobs, the oldest created at `since`."""

    tenant: str
    finish: float
    since: float

    def start(self, virtual: float) -> float:
        """The start tag of its next job."""
        return max(self.finish, virtual)


def schedule_order(backlogs: Sequence[TenantBacklog], virtual: float) -> list[TenantBacklog]:
    """Smallest start tag first; of equal ones, the longest wait."""
    return sorted(backlogs, key=lambda b: (b.start(virtual), b.since, b.tenant))


async def lock_virtual_time(connection: AsyncConnection) -> float:
    """The virtual time, locked: no other scheduler decides until the transaction ends."""
    query = select(job_shares.c.finish).where(job_shares.c.tenant == CLOCK).with_for_update()
    now = (await connection.execute(query)).scalar()
    if now is None:
        await _insert(connection, CLOCK, 0.0)
        now = (await connection.execute(query)).scalar_one()
    return float(now)


async def charge_virtual_time(
    connection: AsyncConnection, chosen: TenantBacklog, virtual: float, size: float
) -> None:
    """`chosen` is served a job of `size` (cost / weight)."""
    start = chosen.start(virtual)
    await _set(connection, CLOCK, start)
    await _set(connection, chosen.tenant, start + size)


async def refund_virtual_time(connection: AsyncConnection, tenant: str, size: float) -> None:
    """A job of `size` was not served after all."""
    refund = update(job_shares).values(finish=job_shares.c.finish - size)
    await connection.execute(refund.where(job_shares.c.tenant == tenant))


async def forget_idle(connection: AsyncConnection) -> None:
    """Delete shares whose finish tag is in the past of the virtual time."""
    virtual = await lock_virtual_time(connection)
    past = job_shares.c.finish <= virtual
    await connection.execute(delete(job_shares).where(job_shares.c.tenant != CLOCK, past))


async def _set(connection: AsyncConnection, tenant: str, finish: float) -> None:
    updated = await connection.execute(
        update(job_shares).where(job_shares.c.tenant == tenant).values(finish=finish)
    )
    if updated.rowcount == 0:
        await _insert(connection, tenant, finish)


async def _insert(connection: AsyncConnection, tenant: str, finish: float) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {"tenant": tenant, "finish": finish}
    await connection.execute(dialect.insert(job_shares).values(row).on_conflict_do_nothing())
