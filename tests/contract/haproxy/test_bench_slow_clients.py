"""A smoke run of `bench slow-clients`: few connections, HAProxy alone."""

import json
from pathlib import Path

from load_tests.benchmarks.faults.bench_slow_clients import main


def test_it_counts_whom_the_server_ended_and_what_others_noticed(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("MOBULA_HEADER_TIMEOUT_S", "1")
    figures = tmp_path / "figures.json"
    options = ["--haproxy-alone", "--connections", "60", "--sources", "3", "--rounds", "1"]
    options += ["--seconds", "2.5", "--rate", "20", "--bound", "1000", "--json", str(figures)]

    assert main(options) == 0

    found = json.loads(figures.read_text())
    assert found["with"]["requests"] == found["without"]["requests"] == 50
    [slow] = found["slow_clients"]
    assert slow["opened"] >= 60
    assert slow["ended_by_server"] >= 60
    assert slow["held_at_most"] <= 60
    assert "p99 with them" in capsys.readouterr().out
