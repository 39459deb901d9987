"""What a job of clips costs, and that a refund takes back just that."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit
from cluster.usage.dimensions import NO_DIMENSIONS, CallDimensions
from deployments.contracts.jobs import Job
from deployments.video.billing import (
    charge,
    charge_to_json,
    charged_seconds,
    refund,
    speech_charge,
)

PLAN = Plan(id="team", prices={Unit.VIDEO_SECONDS: 250})


@dataclass
class Ended:
    tenant: str = "acme"
    key: str = "key1"
    spec: dict[str, Any] = field(default_factory=dict)


def test_a_refund_takes_back_the_charge_on_its_own_day_at_its_own_price() -> None:
    made = charge("acme", "key1", PLAN, 90, at=1_000_000.0)
    ended = cast(Job, Ended(spec={"charge": charge_to_json(made)}))

    back = refund(ended)

    assert back is not None
    assert (back.at, back.model, back.requests) == (made.at, made.model, 0)
    assert back.amounts.video_seconds == -90
    assert back.cost_units == -made.cost_units
    assert dict(back.prices) == {Unit.VIDEO_SECONDS: 250}
    assert charged_seconds(ended) == 90


def test_a_refund_is_for_whom_the_charge_was_and_at_the_models_price() -> None:
    plan = Plan(id="p", model_prices={"clipper": {Unit.VIDEO_SECONDS: 7}})
    named = CallDimensions("web", "u_1", ("beta",))
    made = charge("acme", "key1", plan, 90, 1_000_000.0, named)
    stored = json.loads(json.dumps(charge_to_json(made)))

    back = refund(cast(Job, Ended(spec={"charge": stored})))

    assert back is not None
    assert (back.dimensions, dict(back.prices)) == (named, {Unit.VIDEO_SECONDS: 7})


def test_a_charge_of_the_release_before_is_refunded_without_dimensions() -> None:
    stored = charge_to_json(charge("acme", "key1", PLAN, 90, at=1_000_000.0))
    del stored["dimensions"]

    back = refund(cast(Job, Ended(spec={"charge": stored})))

    assert back is not None
    assert back.dimensions == NO_DIMENSIONS


def test_a_job_that_was_never_charged_gives_nothing_back() -> None:
    assert refund(cast(Job, Ended())) is None
    assert charged_seconds(cast(Job, Ended())) == 0


def test_the_charge_for_speech_is_that_of_the_job_s_caller() -> None:
    named = CallDimensions("team", "user", ("tag",))
    stored = charge_to_json(charge("acme", "key1", PLAN, 90, 1_000_000.0, named), 600)
    job = cast(Job, Ended(spec={"charge": stored}))

    entry = speech_charge(job, Plan(id="p"), 599.2, at=1e9)

    assert entry is not None
    assert (entry.amounts.audio_seconds, entry.cost_units) == (600, 240_000)
    assert (entry.tenant, entry.key, entry.requests) == ("acme", "key1", 0)
    assert entry.dimensions == named
    assert speech_charge(job, Plan(id="p"), 0.0, at=1e9) is None
