"""Usage that is collected is charged in the transaction that stores the result of its work."""

from pathlib import Path

from sqlalchemy import select

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import usage
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.collected_usage import CollectedUsage
from cluster.usage.ledger import Ledger

PLAN, CALLER = Plan(id="default"), Caller("acme", "k", frozenset())


async def tokens(database: Database) -> int:
    async with database.read() as connection:
        query = select(usage.c.amount).where(usage.c.unit == "input_tokens")
        return sum((await connection.execute(query)).scalars())


async def test_it_is_stored_once_dropped_or_the_ledgers_own(
    database: Database, tmp_path: Path
) -> None:
    ledger = Ledger(database, "test", ManualClock(), tmp_path)
    kept, dropped = CollectedUsage(), CollectedUsage()
    for collected, amount in ((kept, 1), (kept, 2), (dropped, 40)):
        used = UsageAmounts(input_tokens=amount)
        ledger.record_call(CALLER, PLAN, "nano", used, collected=collected)
    ledger.record_cache_hit(CALLER, PLAN, "nano", collected=kept)
    await ledger.flush()
    assert await tokens(database) == 0

    async with database.begin() as connection:
        await ledger.store_collected(connection, [kept])
    ledger.confirm_collected([kept])
    dropped.drop()
    assert await tokens(database) == 3

    late = UsageAmounts(input_tokens=100)  # of an upstream that was given up
    ledger.record_call(CALLER, PLAN, "nano", late, collected=kept)
    ledger.record_call(CALLER, PLAN, "nano", late, collected=dropped)
    await ledger.flush()
    assert await tokens(database) == 103
    kept.drop()
    assert kept.is_stored


async def test_a_plan_says_what_batches_cost(database: Database, tmp_path: Path) -> None:
    plan = Plan(id="p", prices={Unit.INPUT_TOKENS: 5}, batch_price_percent=50)
    ledger, collected = Ledger(database, "test", ManualClock(), tmp_path), CollectedUsage()
    ledger.record_call(CALLER, plan, "nano", UsageAmounts(100), collected=collected)
    ledger.record_call(CALLER, plan, "nano", UsageAmounts(1))
    await ledger.flush()
    async with database.begin() as connection:
        await ledger.store_collected(connection, [collected])

    async with database.read() as connection:
        query = select(usage.c.revenue).where(usage.c.unit == "input_tokens")
        assert (await connection.execute(query)).scalar_one() == 100 * 2 + 1 * 5
