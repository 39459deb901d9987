"""`./mobula bench load` runs against a real cluster, every kind of user, and judges itself."""

import subprocess
import sys

from cluster.runtime.settings import ROOT
from load_tests.benchmarks.common.local_serve import LocalServe


def test_a_short_run_meets_loose_thresholds(cluster: LocalServe) -> None:
    command = [
        sys.executable, "-m", "cluster.cli", "bench", "load", "--host", cluster.url,
        "--key", cluster.key, "--shape", "steady", "--peak", "6", "--length", "6",
        "--max-p95-ms", "60000",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "passed: every threshold was met" in done.stdout
    for name in ("chat", "chat stream", "first token", "captions"):
        assert name in done.stderr  # where locust prints its table
