"""What keys and teams have used and spent, by the ledger; and that the limiter counts the same."""

import random

from sqlalchemy import func, insert, select

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import api_keys, plans, tenants, usage
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.ledger import Ledger
from cluster.usage.price_book import PriceBook
from cluster.usage.subject_usage import subject_used

ALWAYS = ("0001-01-01", "9999-12-31")
PRICED = Plan.model_validate(
    {"id": "p", "prices": {"input_tokens": 3, "tokens": 11, "requests": 7, "cache_hits": 5}}
)
BOOK = PriceBook()
BY_COST = Plan.model_validate({"id": "q", "prices": {"cost_units": 13, "requests": 1}})


async def add_keys(database: Database) -> None:
    """k2 is the successor of k1, k3 is in the team of both, k4 alone, k5 another tenant's."""
    rows = [
        {"id": "k1", "team": "ml"},
        {"id": "k2", "team": "ml", "account": "k1"},
        {"id": "k3", "team": "ml"},
        {"id": "k4"},
        {"id": "k5", "tenant": "other", "team": "ml", "account": "k1"},
    ]
    common = {
        "tenant": "acme", "name": "n", "digest": b"d", "scopes": [], "bootstrap": False,
        "created": 0.0, "created_by": "x", "team": None, "account": None,
    }  # fmt: skip
    async with database.begin() as connection:
        document = PRICED.model_dump(mode="json")
        values = {"id": "p", "document": document, "version": 1, "created": 0.0, "updated": 0.0}
        await connection.execute(insert(plans).values(values))
        for tenant in ("acme", "other"):
            values = {
                "id": tenant, "name": tenant, "plan": "p", "status": "active", "secret": b"s",
                "created": 0.0, "updated": 0.0,
            }  # fmt: skip
            await connection.execute(insert(tenants).values(values))
        await connection.execute(insert(api_keys), [common | row for row in rows])


async def used(database: Database, subject: str, unit: Unit, tenant: str = "acme") -> int:
    async with database.read() as connection:
        return await subject_used(connection, tenant, subject, unit, *ALWAYS)


async def test_an_account_is_the_sum_of_its_keys_and_a_team_of_its_members(
    database: Database, clock: ManualClock
) -> None:
    await add_keys(database)
    ledger = Ledger(database, "test", clock)
    for number, key in enumerate(("k1", "k2", "k3", "k4")):
        team = "" if key == "k4" else "ml"
        caller = Caller("acme", key, frozenset(), team=team)
        ledger.record_call(caller, PRICED, "nano", UsageAmounts(10**number, 2 * 10**number))
    other = Caller("other", "k5", frozenset(), team="ml")
    ledger.record_call(other, PRICED, "nano", UsageAmounts(5, 5))
    await ledger.flush()
    await ledger.close()

    assert await used(database, "key:k1", Unit.TOKENS) == 3 + 30
    assert await used(database, "key:k4", Unit.INPUT_TOKENS) == 1000
    assert await used(database, "team:ml", Unit.TOKENS) == 3 + 30 + 300
    assert await used(database, "team:ml", Unit.REQUESTS) == 3
    assert await used(database, "team:ml", Unit.TOKENS, "other") == 10
    assert await used(database, "team:none", Unit.TOKENS) == 0
    assert await used(database, "key:k4", Unit.SPEND) == 3 * 1000 + 11 * 2000 + 7


async def test_the_limiter_charges_what_the_ledger_records(
    database: Database, clock: ManualClock
) -> None:
    source, ledger, expected = random.Random(3), Ledger(database, "test", clock), 0
    caller = Caller("acme", "k1", frozenset())
    for _ in range(200):
        plan = source.choice([PRICED, BY_COST, Plan(id="r")])
        if source.random() < 0.2:
            ledger.record_cache_hit(caller, plan, "nano")
            expected += BOOK.charge_of(plan, "nano", UsageAmounts(), requests=0, cache_hits=1)
            continue
        amounts = UsageAmounts(*(source.randrange(50) for _ in range(5)))
        ledger.record_call(caller, plan, "nano", amounts)
        expected += BOOK.charge_of(plan, "nano", amounts)
    await ledger.flush()
    await ledger.close()

    async with database.read() as connection:
        recorded = (await connection.execute(select(func.sum(usage.c.revenue)))).scalar_one()
    assert expected == recorded
