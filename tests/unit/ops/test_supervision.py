"""The record of a cluster's supervisor, and ending one."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.ops import supervision as supervisions
from cluster.ops.processes import ClusterId
from cluster.ops.shutdown import stop_cluster
from cluster.ops.supervision import Supervision

GONE = ClusterId(pid=2**22 - 1, started=1.0)
ALIVE = Supervision(ClusterId.this(), detached=True)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_what_is_saved_is_loaded_and_private(tmp_path: Path) -> None:
    record = replace(ALIVE, phase="restarting", reason="r", attempt=2, restarts=1, since=5.0)

    supervisions.save(tmp_path, record)

    assert supervisions.load(tmp_path) == record
    assert stat.S_IMODE((tmp_path / "supervisor.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": {}}'])
def test_an_unreadable_record_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "supervisor.json").write_text(content)

    assert supervisions.load(tmp_path) is None


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (ALIVE, "watching"),
        (replace(ALIVE, restarts=3), "watching; restarted the cluster 3 times"),
        (replace(ALIVE, phase="waiting", reason="HAProxy has died"), "HAProxy has died"),
        (
            replace(ALIVE, phase="restarting", reason="GCS has died", attempt=2),
            "restarting the cluster, attempt 2: GCS has died",
        ),
        (replace(ALIVE, owner=GONE, phase="gave up", reason="why"), "gave up: why"),
        (replace(ALIVE, owner=GONE), "none: its process has ended"),
    ],
)
def test_status_says_what_it_does(record: Supervision, words: str) -> None:
    assert str(record).startswith(words)


def test_a_supervisor_that_was_left_behind_is_ended_before_its_cluster(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    supervisions.save(tmp_path, Supervision(ClusterId.of(sleeper.pid), detached=True))

    assert stop_cluster(tmp_path, 0.0, lambda _: None) == 0

    assert sleeper.poll() is not None
    assert supervisions.load(tmp_path) is None
    assert stop_cluster(tmp_path, 0.0, lambda _: None) is None


def test_an_up_in_the_foreground_is_told_to_end_even_between_two_clusters(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    supervisions.save(tmp_path, Supervision(ClusterId.of(sleeper.pid), detached=False))
    said: list[str] = []

    assert stop_cluster(tmp_path, 0.0, said.append) == 0

    assert said == [f"stopping `mobula up` (pid {sleeper.pid})"]
    assert sleeper.wait(10) != 0


def test_the_record_of_one_that_gave_up_goes_with_down(tmp_path: Path) -> None:
    supervisions.save(tmp_path, Supervision(GONE, detached=True, phase="gave up", reason="r"))

    stop_cluster(tmp_path, 0.0, lambda _: None)

    assert supervisions.load(tmp_path) is None
