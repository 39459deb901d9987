"""Finding a cluster's processes by its marker, and ending them."""

import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from cluster.ops.processes import ClusterId, cluster_processes, end_all
from cluster.runtime.settings import MARKER, process_environment

SLEEP = "import time; time.sleep(60)"
STUBBORN = (
    f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); {SLEEP}"
)
# A parent that starts a child and leaves it to init.
ORPHAN = (
    "import subprocess, sys; "
    f"print(subprocess.Popen([sys.executable, '-c', '{SLEEP}'], start_new_session=True, "
    "stdout=subprocess.DEVNULL).pid)"
)

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def cluster_id() -> str:
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def start(cluster_id: str) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(code: str, marker: str = cluster_id) -> subprocess.Popen[str]:
        env = process_environment({MARKER: marker})
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield run
    end_all(lambda: cluster_processes(cluster_id), grace_s=0.0)
    for process in started:
        with process:
            process.kill()


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_only_marked_processes_are_found(cluster_id: str, start: Start) -> None:
    ours, _other = start(SLEEP), start(SLEEP, "somebody-else")

    _wait_for(lambda: [process.pid for process in cluster_processes(cluster_id)] == [ours.pid])


def test_an_orphan_in_its_own_session_is_found_and_ended(cluster_id: str, start: Start) -> None:
    parent = start(ORPHAN)
    orphan = int(parent.communicate()[0])
    _wait_for(lambda: [process.pid for process in cluster_processes(cluster_id)] == [orphan])

    ended = end_all(lambda: cluster_processes(cluster_id), grace_s=5.0)

    assert ended == 1
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"


def test_a_child_without_the_marker_belongs_to_its_parent(cluster_id: str, start: Start) -> None:
    child = f"subprocess.Popen([sys.executable, '-c', '{SLEEP}'], env={{}}, stdout=-3)"
    start(f"import subprocess, sys; {child}; {SLEEP}")

    _wait_for(lambda: len(cluster_processes(cluster_id)) == 2)


def test_who_ignores_sigterm_is_killed(cluster_id: str, start: Start) -> None:
    stubborn = start(STUBBORN)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()

    end_all(lambda: cluster_processes(cluster_id), grace_s=0.2)

    assert stubborn.wait(5) == -signal.SIGKILL


def test_this_process_is_never_a_member(cluster_id: str) -> None:
    assert cluster_processes(cluster_id) == []
    assert end_all(lambda: cluster_processes(cluster_id)) == 0


def test_an_owner_is_recognised_until_it_ends(start: Start) -> None:
    process = start(SLEEP)
    owner = ClusterId(process.pid, psutil.Process(process.pid).create_time())
    assert owner.process() is not None

    process.kill()
    process.wait()

    assert owner.process() is None


def test_a_later_process_with_the_same_number_is_not_the_owner(start: Start) -> None:
    process = start(SLEEP)

    assert ClusterId(process.pid, started=1.0).process() is None
