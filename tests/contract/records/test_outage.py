"""PostgreSQL stops in the middle and comes back: every record and every unit is there, once."""

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Problem
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.entries import UsageEntry
from cluster.usage.ledger import Ledger
from cluster.usage.report import budget_used
from tests.contract.records.records import Audit, record
from tests.servers.postgres import PostgresServer


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_a_stopped_store_costs_no_record_and_no_unit(
    audit: Audit, clock: ManualClock, postgres_server: PostgresServer
) -> None:
    trail, ledger = audit.trail(), Ledger(audit.database, "ingress", clock)

    async def work() -> None:
        for number in range(700):
            trail.enqueue(record(number))
            ledger.add(UsageEntry(clock.wall(), "acme", "abc", "nano", UsageAmounts(2, 1)))
        await trail.flush()
        await ledger.flush()

    await work()
    postgres_server.stop()
    await work()
    await work()
    with pytest.raises(Problem, match="cannot be reached"):
        async with audit.database.begin() as connection:
            await trail.append(connection, record(action="key.create"))
    assert list(audit.folder.glob("*.spill"))
    postgres_server.start()
    await work()
    await trail.close()
    await ledger.close()

    report = await audit.verify()
    assert (report.findings, report.notes, report.lost) == ([], [], 0)
    assert report.records >= 4 * 700
    async with audit.database.read() as connection:
        used = await budget_used(connection, "acme", Unit.TOKENS, "2023-01-01", "2024-01-01")
    assert used == 4 * 700 * 3
