"""The ledger is what engines generated, to the token: a short run of `bench ledger`."""

from pathlib import Path

from load_tests.benchmarks.limits.bench_ledger import compare_ledger, plan_requests


async def test_the_ledger_is_exact_over_mixed_requests(tmp_path: Path) -> None:
    row = await compare_ledger(tmp_path / "home", requests=80, seed=3)

    assert row["ledger"] == row["expected"]
    assert row["budget"] == sum(row["expected"].values())
    assert (row["by_tag_is_exact"], row["by_provider_is_exact"]) == (True, True)
    assert row["ledger"]["output"] > 0
    left = sum(count for outcome, count in row["outcomes"].items() if outcome.endswith("left"))
    assert left > 10, "clients were to leave"


def test_a_seed_gives_the_same_requests() -> None:
    assert plan_requests(50, 7) == plan_requests(50, 7) != plan_requests(50, 8)
    assert {request.kind for request in plan_requests(200, 7)} >= {
        "whole",
        "stop",
        "disconnect",
        "deadline",
    }
