"""What a limiter tells becomes events of the catalogue, with all that it said."""

from pathlib import Path

from cluster.events.bus import EventBus, EventNotice
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.ingress.limit_events import LimitEventPublisher
from deployments.limiter.events import LimitEvent

BUCKET = "acme|budget|tokens|2026-11-21"


async def told(tmp_path: Path, event: LimitEvent) -> EventNotice:
    """The notice that an observer of the bus gets."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'events.db'}")
    bus = EventBus(database, ManualClock())
    notices = bus.subscribe()
    LimitEventPublisher(bus, "r1")(event)
    await database.close()
    return await anext(notices)


async def test_a_hit_carries_its_count_class_and_model(tmp_path: Path) -> None:
    event = LimitEvent(
        "limit_hit", 0.0, "acme", "nano-tokens", count=49, request_class="generate", model="nano"
    )
    notice = await told(tmp_path, event)

    assert (notice.tenant, notice.kind) == ("acme", "limit.hit")
    assert notice.data == {
        "limit": "nano-tokens",
        "request_class": "generate",
        "model": "nano",
        "count": 49,
        "key": "",
        "team": "",
        "end_user": "",
    }


async def test_a_budget_s_level_says_what_is_spent_of_it(tmp_path: Path) -> None:
    event = LimitEvent("budget_80", 0.0, "acme", "tokens-day", BUCKET, remaining=17, capacity=100)
    notice = await told(tmp_path, event)

    assert notice.kind == "budget.threshold"
    assert notice.data == {
        "unit": "tokens",
        "period": "day",
        "window": "2026-11-21",
        "percent": 80,
        "spent": 83,
        "budget": 100,
        "key": "",
        "team": "",
    }


async def test_a_key_s_and_a_team_s_limits_name_whose_they_are(tmp_path: Path) -> None:
    hit = LimitEvent("limit_hit", 0.0, "acme", "key:generate-requests", subject="key:abcd")
    ever = LimitEvent(
        "budget_100",
        0.0,
        "acme",
        "team:spend-total",
        "acme|team:ml|budget|spend|total",
        subject="team:ml",
        capacity=5_000_000,
    )

    assert (await told(tmp_path, hit)).data["key"] == "abcd"
    assert (await told(tmp_path, ever)).data == {
        "unit": "spend",
        "period": "total",
        "window": "total",
        "percent": 100,
        "spent": 5_000_000,
        "budget": 5_000_000,
        "key": "",
        "team": "ml",
    }
