"""What a scaling spec says, in one sentence."""

import pytest

from cluster.autoscaling.spec import PolicyName, ScalingSpec, Window, describe

WINDOWS = (
    Window(start="08:00", end="18:00", replicas=3, days=(4, 0, 1)),
    Window(start="20:00", end="21:00", replicas=2),
)


def test_the_defaults_in_one_sentence() -> None:
    assert describe(ScalingSpec()) == (
        "1 to 4 replicas, the maximum of: queue (8 open requests each), "
        "tokens (its capacity), forecast (p70 of a season of 86400 s); "
        "up at most 4x at once, down by 4 after 30 s"
    )


@pytest.mark.parametrize(
    ("policy", "more", "words"),
    [
        ("tokens", {"target_tokens": 4096}, "tokens (4096 in flight)"),
        ("latency", {}, "latency (p95 of the first token under 2 s)"),
        ("latency", {"latency": "total"}, "of the full response"),
        ("cpu", {"target_cpu": 0.7}, "cpu (70% each)"),
        ("memory", {}, "memory (80% each)"),
        ("forecast", {"cold_start_s": 30}, "86400 s, 30 s ahead"),
        ("schedule", {"schedule": WINDOWS}, "3 from 08:00 to 18:00 UTC Mon+Tue+Fri, 2 from 20:00"),
    ],
)
def test_every_policy_says_what_it_goes_by(
    policy: PolicyName, more: dict[str, object], words: str
) -> None:
    spec = ScalingSpec.model_validate({"policies": (policy,), **more})

    assert words in describe(spec)
