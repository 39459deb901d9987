"""What a job of clips costs, and that a refund takes back just that."""

from dataclasses import dataclass, field
from typing import Any, cast

from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit
from deployments.contracts.jobs import Job
from deployments.video.billing import charge, charge_to_json, charged_seconds, refund

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


def test_a_job_that_was_never_charged_gives_nothing_back() -> None:
    assert refund(cast(Job, Ended())) is None
    assert charged_seconds(cast(Job, Ended())) == 0
