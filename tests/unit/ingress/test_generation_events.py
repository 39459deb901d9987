"""Events of generations, for tenants that have asked for them."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

import orjson
import pytest

from cluster.events.kinds import EventKind, validate_payload
from cluster.tenants.settings import NO_SETTINGS, GenerationEvents, TenantSettings
from deployments.ingress.generation_events import MAX_SAMPLES, GenerationEventSource, kind_of

COUNTED = TenantSettings(generation_events=GenerationEvents.COUNTED)
SAMPLED = TenantSettings(generation_events=GenerationEvents.SAMPLED, generation_event_ratio=0.5)

Event = tuple[str, str, Mapping[str, Any]]


def _line(**values: Any) -> dict[str, Any]:
    return {
        "request_id": "req_1",
        "status": 200,
        "ms": 12.5,
        "tenant": "acme",
        "model": "nano",
        "operation": "chat",
        **values,
    }


async def _events(settings: TenantSettings, *lines: dict[str, Any]) -> list[Event]:
    """What was published of these lines."""
    published: list[Event] = []
    wanted = {"acme"} if settings is not NO_SETTINGS else set()
    source = GenerationEventSource(
        lambda: wanted,
        lambda _: settings,
        {"nano"},
        lambda *event: published.append(event),
        Random(1),
    )
    source.start()
    await asyncio.to_thread(source.take, [orjson.dumps(line) for line in lines])
    await asyncio.sleep(0)
    return published


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, EventKind.GENERATION_SUCCEEDED),
        ({"cache": "miss"}, EventKind.GENERATION_SUCCEEDED),
        ({"cache": "bypass"}, EventKind.GENERATION_SUCCEEDED),
        ({"cache": "l1"}, EventKind.GENERATION_CACHED),
        ({"cache": "semantic"}, EventKind.GENERATION_CACHED),
        ({"status": 429, "problem": "rate-limited"}, EventKind.GENERATION_REFUSED),
        ({"status": 400}, EventKind.GENERATION_REFUSED),
        ({"status": 499}, EventKind.GENERATION_FAILED),
        ({"status": 503}, EventKind.GENERATION_FAILED),
    ],
)
async def test_each_outcome_has_its_kind(values: dict[str, Any], kind: EventKind) -> None:
    assert kind_of(_line(**values)) is kind


async def test_a_counted_event_names_no_request() -> None:
    [(tenant, kind, data)] = await _events(COUNTED, _line())

    assert (tenant, kind) == ("acme", "generation.succeeded")
    assert data == {"operation": "chat", "model": "nano", "status": 200, "problem": ""}
    assert validate_payload(kind, data)["count"] == 1


async def test_a_sampled_event_names_its_request() -> None:
    events = await _events(SAMPLED, *(_line(request_id=f"req_{n}") for n in range(16)))

    assert 2 < len(events) <= MAX_SAMPLES
    data = validate_payload(*events[0][1:])
    assert data["request_id"].startswith("req_")
    assert data["ms"] == 12.5


async def test_a_tenant_that_samples_everything_leaves_room_for_others() -> None:
    every = SAMPLED.model_copy(update={"generation_event_ratio": 1.0})
    events = await _events(every, *(_line(request_id=f"req_{n}") for n in range(500)))

    assert len(events) == MAX_SAMPLES


async def test_others_have_none() -> None:
    lines = (_line(tenant="globex"), _line(tenant=None), _line(operation="embeddings"))

    assert await _events(COUNTED, *lines, {**_line(), "operation": None}) == []
    assert await _events(NO_SETTINGS, _line()) == []


async def test_a_models_name_that_the_client_made_up_is_not_passed_on() -> None:
    [(_, _, data)] = await _events(COUNTED, _line(model="my-secret-plan", status=404))

    assert data["model"] == ""


async def test_without_a_tenant_that_wants_events_no_line_is_parsed() -> None:
    source = GenerationEventSource(
        frozenset, lambda _: COUNTED, {"nano"}, lambda *event: pytest.fail("published")
    )
    source.start()
    source.take([b"not json"])
