"""Seeing who of a cluster is away."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from cluster.ops import cluster_monitor
from cluster.ops.cluster_monitor import ClusterMonitor
from cluster.ops.cluster_state import ClusterState
from cluster.ops.processes import ClusterId
from cluster.ops.roles import Role
from cluster.runtime.clock import ManualClock

STATE = ClusterState(
    "c",
    "ready",
    True,
    ClusterId.this(),
    "http://127.0.0.1:1",
    "http://d",
    "g",
    "r",
    "h",
    "fast",
    0.0,
)
Processes = dict[Role, list[psutil.Process]]


@pytest.fixture
def sleeper() -> Iterator[psutil.Popen]:
    """A process of another program; its command line is there once that program has begun."""
    code = "print(flush=True); import time; time.sleep(60)"
    process = psutil.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout.readline()
    yield process
    process.stdout.close()
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Processes:
    """What a look at all processes finds."""
    processes: Processes = {}
    monkeypatch.setattr(cluster_monitor, "by_role", lambda _: processes)
    return processes


def test_a_killed_process_is_away_until_another_takes_its_role(
    found: Processes, sleeper: psutil.Popen
) -> None:
    clock = ManualClock()
    found["controller"] = [psutil.Process(sleeper.pid)]
    looking = ClusterMonitor(STATE, clock)
    assert looking.away() == {}

    sleeper.kill()
    sleeper.wait()
    found.clear()
    assert looking.away() == {"controller": 0.0}
    clock.advance(4.0)
    assert looking.away() == {"controller": 4.0}

    found["controller"] = [psutil.Process()]
    assert looking.away() == {}


def test_a_zombie_is_away(found: Processes, sleeper: psutil.Popen) -> None:
    found["raylet"] = [psutil.Process(sleeper.pid)]
    looking = ClusterMonitor(STATE, ManualClock())

    sleeper.kill()
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        pass
    found.clear()

    assert looking.away() == {"raylet": 0.0}


def test_what_was_never_there_is_not_missed(found: Processes) -> None:
    found["gcs"] = [psutil.Process()]

    assert ClusterMonitor(STATE, ManualClock()).away() == {}


def test_how_the_dashboard_was_started_is_known_once_it_is_gone(
    found: Processes, sleeper: psutil.Popen
) -> None:
    found["dashboard"] = [psutil.Process(sleeper.pid)]
    looking = ClusterMonitor(STATE, ManualClock())
    expected = subprocess.list2cmdline(sleeper.args)

    sleeper.kill()
    sleeper.wait()
    found.clear()

    assert "dashboard" in looking.away()
    assert subprocess.list2cmdline(looking.commands["dashboard"].arguments) == expected
