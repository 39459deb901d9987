"""Benchmarks as they are run, tiny, each with the clusters and processes that it starts itself.

With --all only: each takes up to minutes.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cli.test_servers import find_program
from cluster.runtime.settings import ROOT, process_environment
from load_tests.benchmarks.against.figures import extract_figures

LIMIT_S = 600.0
COMMANDS = [
    "path --rounds 1 --seconds 1 --connections 2",
    "path --against HEAD --rounds 1 --seconds 1 --connections 2",
    "stream --rounds 1 --seconds 1 --connections 2",
    "compare --gateways none --rounds 1 --seconds 1 --connections 2",
    "capacity --seconds 1 --tenants 3",
    "engine --rounds 1 --prompts 2 --tokens 4 --concurrency 1",
    "cache --part speed,latency,coalesce,invalidate,timing --rounds 1 --seconds 1 --clients 8 "
    "--bursts 1 --invalidations 3 --prompts 20",
    "semantic --requests 300",
    "followers --leaders 6 --at-once 6",
    "limits --streams 50 --slots 4",
    "ledger --requests 50",
    "fairness --seconds 4 --scenario 3:1",
    "chaos --requests 200 --rate 20 --faults update-ingress --streams 2 --stream-s 5 --models 1 "
    "--engines 0",
    "failover --scenario killed --seconds 3",
    "nodes --away 3 --jobs 1 --seconds 20",
    "recovery --part controller --clients 2 --no-job",
    "health --fault redis-away --lasts 1",
    "room --settle 1 --rest 1",
    "panels --seconds 20",
    "alerts --fault redis-away --soak 5",
    "slow-clients --rounds 1 --seconds 1 --connections 60 --bound 1000",
    "disconnects --clients 20 --at-once 4",
    "autoscaling --live",
    "highlights --seeds 1",
    "search --part killed --kills 2 --every 2",
    "text --part cost --calls 20 --rounds 1 --load-seconds 10",
    "video --goals S5,S9,S10 --rounds 1 --seconds 10",
]
NEEDS_WRK = ("path", "stream", "compare", "capacity", "cache")
NEEDS_SERVERS = ("nodes", "health", "panels", "alerts")
NEEDS_PROMETHEUS = ("panels", "alerts")


@pytest.mark.exhaustive
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split(" --rounds")[0])
def test_a_tiny_run_comes_to_a_report(command: str, tmp_path: Path) -> None:
    name, *arguments = command.split()
    if name in NEEDS_WRK and find_program("wrk") is None:
        pytest.skip("wrk is not installed")
    if name in NEEDS_SERVERS and None in (find_program("redis-server"), find_program("initdb")):
        pytest.skip("redis-server or PostgreSQL is not installed")
    if name in NEEDS_PROMETHEUS and find_program("prometheus") is None:
        pytest.skip("prometheus is not installed")
    report = tmp_path / "report.json"
    result = subprocess.run(
        [sys.executable, "-m", "cluster.cli", "bench", name, *arguments, "--json", str(report)],
        cwd=ROOT,
        env=process_environment({"MOBULA_HOME": str(tmp_path / "home")}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert report.exists(), result.stdout[-3000:]
    # A missed target is no fault here: the machine is busy and the run too short.
    assert result.returncode in (0, 1), result.stdout[-3000:]
    assert json.loads(report.read_text())
    assert "Traceback" not in result.stdout
    assert name in ("engine",) or extract_figures(json.loads(report.read_text()))
