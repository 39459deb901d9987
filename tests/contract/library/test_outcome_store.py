"""Outcomes on both databases: each id counts once, days add up exactly."""

from dataclasses import replace
from datetime import date

from cluster.administration.outcomes import OutcomeService
from cluster.outcomes.model import Outcome
from cluster.outcomes.repository import prune_outcomes
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.usage.pseudonyms import Pseudonyms

CLICK = Outcome("1", "click", 3, 0, "", "post", "p", "", "", 1_700_000_000.0)
DAY = date(2023, 11, 14)


async def test_an_id_counts_once_in_each_tenant(database: Database, clock: ManualClock) -> None:
    service = OutcomeService(database, clock, Pseudonyms(b"p" * 32))
    sale = replace(
        CLICK, id="2", name="conversion", count=1, value=12_345_678, currency="EUR", user="eve"
    )
    given = [CLICK, replace(CLICK, count=99), sale, replace(CLICK, id="3", at=CLICK.at + 86_400)]

    first = await service.record("acme", given)
    again = await service.record("acme", [replace(CLICK, count=7), replace(CLICK, id="4")])
    await service.record("other", [replace(CLICK, count=50)])

    assert (first.accepted, first.duplicates) == (3, 1)
    assert (again.accepted, again.duplicates) == (1, 1)
    days = await service.daily("acme", "post", "p", DAY, DAY.replace(day=15))
    assert [(each.day, each.counts, each.values) for each in days] == [
        ("2023-11-14", {"click": 6, "conversion": 1}, {"EUR": 12_345_678}),
        ("2023-11-15", {"click": 3}, {}),
    ]
    assert await service.daily("acme", "post", "q", DAY, DAY) == ()


async def test_old_outcomes_are_pruned(database: Database, clock: ManualClock) -> None:
    service = OutcomeService(database, clock, Pseudonyms(b"p" * 32))
    await service.record("acme", [CLICK])
    clock.advance(10)
    await service.record("acme", [replace(CLICK, id="2")])

    assert await prune_outcomes(database.begin, clock.wall() - 5) == 1
    [day] = await service.daily("acme", "post", "p", DAY, DAY)
    assert day.counts == {"click": 3}
