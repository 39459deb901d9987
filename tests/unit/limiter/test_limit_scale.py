"""`bench limit-scale`, small: what it measures, and what must hold at any size."""

import json
from pathlib import Path

from load_tests.benchmarks.limits.bench_limit_scale import main


def test_no_tenant_gets_too_much_and_leases_in_hand_cost_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    sizes = ["--tenants", "10", "40", "--replicas", "3", "--shards", "2", "--seconds", "3"]

    assert main([*sizes, "--check", "--json", str(report)]) == 0
    few, many, load = json.loads(report.read_text())["rows"]
    assert many["requests_s"] > 3 * few["requests_s"]
    assert many["lease_requests_s"] == few["lease_requests_s"] == 0
    assert load["overshoot"] <= 1e-4
