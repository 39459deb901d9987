"""Usage by team, end user, tag and provider is exact, like usage by key: beside other ledgers,
through kills and outages, and whatever the number of values.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from sqlalchemy import func, select

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import Database
from cluster.storage.tables import usage, usage_dimensions
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage import ledger as ledger_module
from cluster.usage.dimensions import OTHER
from cluster.usage.ledger import Ledger
from cluster.usage.price_book import PriceBook
from cluster.usage.pseudonyms import Pseudonyms
from cluster.usage.report import UsageFilter, UsageRow, usage_report
from cluster.usage.value_limit import ValueLimit

DAY = "2023-11-14"  # of ManualClock's beginning
ALWAYS = ("2023-01-01", "2024-01-01")
PEPPER = b"p" * 32
PSEUDONYMS = Pseudonyms(PEPPER)
PLAN = Plan(id="p", prices={Unit.INPUT_TOKENS: 3, Unit.OUTPUT_TOKENS: 5, Unit.CACHED_TOKENS: 1})
PROVIDERS = {"gpt": "openai", "claude": "anthropic"}

MakeLedger = Callable[..., Ledger]


def ledger_of(
    database: Database, clock: ManualClock, folder: Path | None = None, **fields: object
) -> Ledger:
    book = PriceBook(providers=PROVIDERS, **fields)  # type: ignore[arg-type]
    return Ledger(database, "ingress", clock, folder, book, PSEUDONYMS)


def caller(tenant: str = "acme", key: str = "k1", team: str = "", end_user: str = "") -> Caller:
    return Caller(tenant, key, frozenset(), team=team, end_user=end_user)


async def report(database: Database, *group_by: str, **only: object) -> list[UsageRow]:
    async with database.read() as connection:
        return await usage_report(
            connection,
            "acme",
            *ALWAYS,
            group_by,
            UsageFilter(**only),  # type: ignore[arg-type]
        )


async def tokens_by(database: Database, name: str, **only: object) -> dict[str, int]:
    rows = await report(database, name, **only)
    return {row.group[name]: row.amounts.get(Unit.INPUT_TOKENS, 0) for row in rows}


async def totals(database: Database) -> dict[str, dict[tuple[str, ...], tuple[int, int, int]]]:
    """Amount, cost and revenue by tenant, day, model and unit: of `usage`, and by dimension."""
    found: dict[str, dict[tuple[str, ...], tuple[int, int, int]]] = {}
    async with database.read() as connection:
        for name, table in (
            ("usage", usage),
            *((n, usage_dimensions) for n in ("provider", "team")),
        ):
            keys = [table.c[each] for each in ("tenant", "day", "model", "unit")]
            sums = [func.sum(table.c[each]) for each in ("amount", "cost", "revenue")]
            query = select(*keys, *sums).group_by(*keys)
            if table is usage_dimensions:
                query = query.where(table.c.dimension == name)
            rows = await connection.execute(query)
            found[name] = {tuple(row[:4]): tuple(map(int, row[4:])) for row in rows}  # type: ignore[misc]
    return found


def random_call(
    dice: random.Random,
) -> tuple[Caller, str, UsageAmounts, tuple[str, ...], int | None]:
    prompt, output = dice.randrange(1, 500), dice.randrange(90)
    amounts = UsageAmounts(
        prompt,
        output,
        cached_tokens=dice.randrange(prompt),
        reasoning_tokens=dice.randrange(output + 1),
        estimated_tokens=dice.choice((0, prompt + output)),
    )
    return (
        caller(
            dice.choice(("acme", "other")),
            dice.choice(("k1", "k2")),
            dice.choice(("web", "batch")),
            dice.choice(("", "ana", "ben")),
        ),
        dice.choice(("nano", "gpt", "claude")),
        amounts,
        dice.choice(((), ("beta",), ("beta", "checkout"))),
        dice.choice((None, 7)),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "usage"
    folder.mkdir()
    return folder


class Expected:
    """What calls should add up to."""

    def __init__(self) -> None:
        self.tokens: dict[str, int] = defaultdict(int)  # by tenant
        self.users: dict[str, int] = defaultdict(int)  # input tokens of acme's users
        self.revenue = 0  # of acme
        self.cost_of_nano = 0

    def record(self, ledger: Ledger, dice: random.Random) -> None:
        who, model, amounts, tags, cost = random_call(dice)
        ledger.record_call(who, PLAN, model, amounts, tags, cost)
        self.tokens[who.tenant] += amounts.tokens
        if who.tenant == "acme":
            self.users[who.end_user] += amounts.input_tokens
            self.revenue += 3 * amounts.input_tokens - 2 * amounts.cached_tokens
            self.revenue += 5 * amounts.output_tokens
        if model == "nano":
            self.cost_of_nano += 2 * amounts.tokens if cost is None else cost


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (1, 2))]


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_sums_by_provider_are_those_of_all_usage(
    database: Database, clock: ManualClock, folder: Path, seed: int,
    unreachable: Callable[[], Database],
) -> None:  # fmt: skip
    """Four processes beside each other; their stores go away, and they are killed and replaced."""
    dice, expected = random.Random(seed), Expected()

    async def live(ledger: Ledger) -> Ledger:
        """Some calls, and what happens then; the ledger, or the one in its place."""
        for _ in range(dice.randrange(20)):
            expected.record(ledger, dice)
        fate = dice.choice(("alive", "alive", "down", "killed"))
        if fate == "down":
            ledger._database = unreachable()
            await ledger.flush()
            ledger._database = database
        elif fate == "killed":
            kill(ledger)
            ledger = start()
            await ledger.start()
        return ledger

    def start() -> Ledger:
        return ledger_of(database, clock, folder, costs={"nano": {Unit.TOKENS: 2}})

    ledgers = [start() for _ in range(4)]
    for _ in range(12):
        ledgers = [await live(ledger) for ledger in ledgers]
        await asyncio.gather(*(ledger.flush() for ledger in ledgers))
    for ledger in ledgers:
        await ledger.close()
    await check(database, expected)


async def check(database: Database, expected: Expected) -> None:
    sums = await totals(database)
    assert sums["provider"] == sums["team"] == sums["usage"]
    stored: dict[str, int] = defaultdict(int)
    for (tenant, _, _, unit), (amount, _, _) in sums["usage"].items():
        stored[tenant] += amount if unit in ("input_tokens", "output_tokens") else 0
    assert stored == expected.tokens
    of_acme = sum(sums[2] for key, sums in sums["usage"].items() if key[0] == "acme")
    assert of_acme == expected.revenue
    of_nano = sum(sums[1] for key, sums in sums["usage"].items() if key[2] == "nano")
    assert of_nano == expected.cost_of_nano
    for user in ("ana", "ben"):
        name = PSEUDONYMS.of("acme", user)
        found = await tokens_by(database, "end_user", end_user=(name,))
        assert found == {name: expected.users[user]}


def kill(ledger: Ledger) -> None:
    """What is left of a killed process: its files, without their locks."""
    assert ledger._journal is not None
    ledger._journal.close()


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


async def test_a_call_counts_for_its_team_its_end_user_its_tags_and_its_provider(
    database: Database, clock: ManualClock
) -> None:
    ledger = ledger_of(database, clock)
    ledger.record_call(
        caller(team="web", end_user="ana"), PLAN, "gpt", UsageAmounts(10), ("a", "b")
    )
    ledger.record_call(caller(team="web"), PLAN, "nano", UsageAmounts(100), ("b",))
    ledger.record_call(caller(), PLAN, "nano", UsageAmounts(1_000))
    ledger.record_cache_hit(caller(team="web"), PLAN, "nano", ("a",))
    await ledger.close()

    assert await tokens_by(database, "team") == {"web": 110}
    assert await tokens_by(database, "tag") == {"a": 10, "b": 110}
    assert await tokens_by(database, "provider") == {"local": 1_100, "openai": 10}
    assert await tokens_by(database, "end_user") == {PSEUDONYMS.of("acme", "ana"): 10}
    (hits,) = await report(database, "unit", tag="a", model="nano")
    assert (hits.group["unit"], hits.amounts) == ("cache_hits", {Unit.CACHE_HITS: 1})


async def test_no_row_and_no_journal_holds_an_end_users_name(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    ledger = ledger_of(database, clock, folder)
    ledger.record_call(caller(end_user="ana@example.org"), PLAN, "nano", UsageAmounts(5))
    (journal,) = contents(folder)
    assert b"ana@" not in journal
    await ledger.close()

    [value] = await tokens_by(database, "end_user")
    assert value == PSEUDONYMS.of("acme", "ana@example.org")
    assert value != PSEUDONYMS.of("other", "ana@example.org")


async def test_a_cost_that_the_provider_reports_replaces_the_configured_one(
    database: Database, clock: ManualClock
) -> None:
    ledger = ledger_of(database, clock, costs={"gpt": {Unit.TOKENS: 1_000}})
    ledger.record_call(caller(), PLAN, "gpt", UsageAmounts(3), cost=7_000)
    ledger.record_call(caller(), PLAN, "gpt", UsageAmounts(2), cost=0)
    ledger.record_call(caller(), PLAN, "gpt", UsageAmounts(1))
    await ledger.close()

    (total,) = await report(database)
    (by_provider,) = await report(database, "provider")
    assert total.cost == by_provider.cost == 7 + 1


async def test_the_most_specific_price_of_the_plan_applies_then_the_models_own(
    database: Database, clock: ManualClock
) -> None:
    lists = {"gpt": {Unit.TOKENS: 2_000}, "provider:anthropic": {Unit.TOKENS: 30_000}}
    named, silent = Plan(id="p", model_prices=lists), Plan(id="q")
    ledger = ledger_of(database, clock, prices={"nano": {Unit.TOKENS: 500_000}})
    for plan in (named, silent):
        for model in ("gpt", "claude", "nano"):
            ledger.record_call(caller(key=plan.id), plan, model, UsageAmounts(1))
    await ledger.close()

    revenues = {
        tuple(row.group.values()): row.revenue for row in await report(database, "key", "model")
    }
    assert revenues == {
        ("p", "gpt"): 2, ("p", "claude"): 30, ("p", "nano"): 500,
        ("q", "gpt"): 0, ("q", "claude"): 0, ("q", "nano"): 500,
    }  # fmt: skip


async def test_a_journal_of_the_release_before_is_read(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    """Eight units, no dimensions, another suffix."""
    day = int(clock.wall() // 86_400)
    prices, counts = [0, 3, 5, 0, 0, 0, 0, 0], [1, 10, 4, 0, 0, 0, 26, 0]
    lines = [[0, ["acme", "k1", "gpt", day], prices, [0] * 8], [0, counts], [0, counts]]
    text = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    (folder / "ingress-0123456789abcdef.000000000003.usage").write_bytes(text + bytes(100))
    following = ledger_of(database, clock, folder)
    await following.start()
    await following.close()

    (row,) = await report(database, "provider")
    assert (row.group["provider"], row.amounts[Unit.INPUT_TOKENS]) == ("openai", 20)
    assert row.amounts == (await report(database))[0].amounts
    async with database.read() as connection:
        query = select(func.sum(usage.c.revenue)).where(usage.c.key == "k1")
        assert (await connection.execute(query)).scalar_one() == 2 * (30 + 20)
    assert contents(folder) == []


async def test_a_journal_without_characters_has_its_cost_at_the_end(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    """Eleven units and a cost, another suffix."""
    day = int(clock.wall() // 86_400)
    counts = [1, 10, 4, 0, 0, 0, 26, 0, 0, 0, 0, 700]
    where = ["acme", "k1", "gpt", day]
    lines = [[0, where, [0] * 11, [0] * 11, ["web", "", []]], [0, counts], [0, counts]]
    text = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    (folder / "ingress-0123456789abcdef.000000000003.cells").write_bytes(text + bytes(100))
    following = ledger_of(database, clock, folder)
    await following.start()
    await following.close()

    (row,) = await report(database)
    assert (row.amounts[Unit.INPUT_TOKENS], row.amounts.get(Unit.CHARACTERS, 0)) == (20, 0)
    async with database.read() as connection:
        query = select(func.sum(usage.c.cost)).where(usage.c.key == "k1")
        assert (await connection.execute(query)).scalar_one() == 1_400
    assert contents(folder) == []


async def test_a_journal_without_pages_has_its_cost_at_the_end(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    """Twelve units and a cost, another suffix."""
    day = int(clock.wall() // 86_400)
    counts = [1, 10, 4, 0, 0, 0, 26, 0, 0, 0, 0, 50, 700]
    where = ["acme", "k1", "gpt", day]
    lines = [[0, where, [0] * 12, [0] * 12, ["web", "", []]], [0, counts], [0, counts]]
    text = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    (folder / "ingress-0123456789abcdef.000000000003.entries").write_bytes(text + bytes(100))
    following = ledger_of(database, clock, folder)
    await following.start()
    await following.close()

    (row,) = await report(database)
    assert (row.amounts[Unit.CHARACTERS], row.amounts.get(Unit.PAGES, 0)) == (100, 0)
    async with database.read() as connection:
        query = select(func.sum(usage.c.cost)).where(usage.c.key == "k1")
        assert (await connection.execute(query)).scalar_one() == 1_400
    assert contents(folder) == []


async def test_pages_and_characters_are_read_from_a_journal(
    database: Database, clock: ManualClock, folder: Path
) -> None:
    killed = ledger_of(database, clock, folder)
    killed.record_call(caller(), PLAN, "documents", UsageAmounts(characters=9, pages=4), cost=70)
    kill(killed)
    following = ledger_of(database, clock, folder)
    await following.start()
    await following.close()

    (row,) = await report(database)
    assert (row.amounts[Unit.CHARACTERS], row.amounts[Unit.PAGES]) == (9, 4)


async def test_values_beyond_the_limit_are_other_and_nothing_is_lost(
    database: Database, clock: ManualClock
) -> None:
    first, second = ledger_of(database, clock), ledger_of(database, clock)
    for ledger in (first, second):
        ledger._values = ValueLimit(3)
    for ledger, tags in ((first, "abcd"), (second, "dcx"), (first, "ay"), (second, "a")):
        for tag in tags:
            ledger.record_call(caller(), PLAN, "nano", UsageAmounts(1), (tag,))
        await ledger.flush()
    for number in range(6):
        first.record_call(caller("other"), PLAN, "nano", UsageAmounts(1), (f"t{number % 2}",))
    for ledger in (first, second):
        await ledger.close()

    assert await tokens_by(database, "tag") == {"a": 3, "b": 1, "c": 2, OTHER: 4}
    assert await tokens_by(database, "provider") == {"local": 10}


async def test_a_new_day_has_room_for_new_values(database: Database, clock: ManualClock) -> None:
    ledger = ledger_of(database, clock)
    ledger._values = ValueLimit(1)
    for tag in ("a", "b"):
        ledger.record_call(caller(), PLAN, "nano", UsageAmounts(1), (tag,))
        await ledger.flush()
        clock.advance(86_400)
    await ledger.close()

    assert await tokens_by(database, "tag") == {"a": 1, "b": 1}


async def test_an_outage_keeps_a_bounded_number_of_values(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MAX_DETAILED_CELLS", 5)
    ledger = ledger_of(database, clock)
    for number in range(50):
        who = caller(team="web", end_user=f"user-{number}")
        ledger.record_call(who, PLAN, "nano", UsageAmounts(1), (f"tag-{number}",))
    assert len(ledger._cells) == 5 + 1
    await ledger.close()

    assert await tokens_by(database, "team") == {"web": 50}
    assert (await tokens_by(database, "tag"))[OTHER] == 45
    assert (await tokens_by(database, "end_user"))[OTHER] == 45


@pytest.mark.parametrize(
    ("group_by", "only", "param"),
    [
        (("team", "tag"), {}, "group_by"),
        (("key", "team"), {}, "group_by"),
        (("key",), {"provider": "openai"}, "group_by"),
        (("provider",), {"end_user": ("u",)}, "end_user"),
        (("model",), {"key": "k1", "tag": "a"}, "key"),
    ],
)
async def test_what_is_not_known_together_is_refused_by_name(
    database: Database, group_by: tuple[str, ...], only: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest, match="not known together") as refusal:
        await report(database, *group_by, **only)

    assert refusal.value.extensions["param"] == param


async def test_pages_follow_each_other(database: Database, clock: ManualClock) -> None:
    ledger = ledger_of(database, clock)
    for number in range(7):
        for model in ("nano", "gpt"):
            ledger.record_call(caller(), PLAN, model, UsageAmounts(number + 1, 2), (f"t{number}",))
    await ledger.close()

    seen: list[UsageRow] = []
    async with database.read() as connection:
        while True:
            after = list(seen[-1].group.values()) if seen else None
            rows = await usage_report(
                connection, "acme", *ALWAYS, ("tag", "model"), limit=3, after=after
            )
            seen += rows
            if len(rows) < 3:
                break
        assert seen == await usage_report(connection, "acme", *ALWAYS, ("tag", "model"))
    assert len(seen) == 14
