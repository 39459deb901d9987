"""Outcomes are reported in bulk, each judged alone, and read back by day."""

import json
from typing import Any

from tests.api.administration.world import World
from tests.api.library.posting import POSTS

EVENTS = "/api/v1/analytics/events"


def event(id: str, name: str = "click", **more: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "subject": {"kind": "post", "id": "tea"}, **more}


async def test_events_count_once_and_become_metrics(world: World) -> None:
    events = [
        event("1", "impression", count=100),
        event("2", count=3),
        event("2", count=50),
        event("3", "conversion", value=12.5, currency="EUR", user="eve"),
        event("4", "watched"),
    ]
    first = (await world.ask("developer", "POST", EVENTS, json={"events": events})).json()
    again = (await world.ask("developer", "POST", EVENTS, json={"events": events})).json()
    await world.ask("stranger", "POST", EVENTS, json={"events": [event("9", count=1_000)]})

    assert first == {"accepted": 4, "duplicates": 1, "rejected": 0, "errors": []}
    assert (again["accepted"], again["duplicates"]) == (0, 5)
    metrics = (await world.ask("viewer", "GET", f"{POSTS}/tea/metrics")).json()
    total = metrics["total"]
    assert (total["impressions"], total["clicks"], total["conversions"]) == (100, 3, 1)
    assert (total["other"], total["values"]) == ({"watched": 1}, {"EUR": 12.5})
    assert len(metrics["data"]) in (1, 2)
    theirs = await world.ask("stranger", "GET", f"{POSTS}/tea/metrics")
    assert theirs.status_code == 404
    swapped = await world.ask("viewer", "GET", f"{POSTS}/tea/metrics?from=2026-02-01&to=2026-01-01")
    assert swapped.status_code == 400


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"value": float("nan"), "currency": "EUR"}, "/value"),
    ({"value": -1, "currency": "EUR"}, "/value"),
    ({"value": 1, "currency": "XXX"}, "/currency"),
    ({"currency": "EUR"}, ""),
    ({"count": 0}, "/count"),
    ({"count": -5}, "/count"),
    ({"at": 1_000_000_000}, "/at"),
    ({"at": 9_000_000_000}, "/at"),
    ({"name": "Click"}, "/name"),
    ({"subject": {"kind": "post"}}, "/subject/id"),
    ({"color": "red"}, "/color"),
)


async def test_wrong_events_are_refused_by_field_and_the_others_are_stored(world: World) -> None:
    wrong = [event(f"wrong-{index}") | more for index, (more, _) in enumerate(WRONG)]
    raw = json.dumps({"events": [event("first"), *wrong, event("last"), 5]}).encode()
    headers = {"Content-Type": "application/json"}

    answer = (await world.ask("developer", "POST", EVENTS, content=raw, headers=headers)).json()

    assert (answer["accepted"], answer["rejected"]) == (2, len(WRONG) + 1)
    assert answer["errors"].pop()["id"] is None
    found = [(each["index"], each["id"], each["errors"][0]["pointer"]) for each in answer["errors"]]
    assert found == [
        (index + 1, f"wrong-{index}", pointer) for index, (_, pointer) in enumerate(WRONG)
    ]


async def test_a_call_has_up_to_a_thousand_events(world: World) -> None:
    full = {"currency": "EUR", "value": 1.0, "user": "u", "request_id": "r", "count": 1}
    events = [event(str(number), **full) for number in range(1_001)]

    whole = await world.ask("developer", "POST", EVENTS, json={"events": events[:1_000]})
    over = await world.ask("developer", "POST", EVENTS, json={"events": events})

    assert (whole.status_code, whole.json()["accepted"]) == (200, 1_000)
    assert over.status_code == 422
