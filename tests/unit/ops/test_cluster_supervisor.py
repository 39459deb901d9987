"""Supervising a cluster: what is started again, what is said of it, and when it is given up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster.ops import supervision as supervisions
from cluster.ops.roles import Role
from cluster.ops.start_plan import StartFailed
from cluster.ops.supervisor import Supervisor
from cluster.ops.supervisor_decision import DELAYS_S, MAX_RESTARTS, WINDOW_S, Restarts
from cluster.runtime.clock import ManualClock


class Over(Exception):
    """The end of a test's script."""


@dataclass
class FakeCluster:
    """`script`: what is away at each look; then it is over. The first `broken` starts fail."""

    script: list[dict[Role, float]]
    broken: int = 0
    starts: int = 0
    words: str = "`ray start` ended with status 1"
    obstacles: list[str | None] = field(default_factory=list)
    revived: list[Role] = field(default_factory=list)
    during_start: Callable[[], None] = lambda: None

    def away(self) -> Mapping[Role, float]:
        if not self.script:
            raise Over
        return self.script.pop(0)

    def silent(self) -> Mapping[str, float]:
        return {}

    def revive(self, role: Role) -> None:
        self.revived.append(role)
        if role == "log_monitor":
            raise OSError("no such program")

    def obstacle(self) -> str | None:
        return self.obstacles.pop(0) if self.obstacles else None

    def start_again(self) -> None:
        self.starts += 1
        self.during_start()
        if self.starts <= self.broken:
            raise StartFailed(self.words)


@dataclass
class Run:
    cluster: FakeCluster
    home: Path
    clock: ManualClock = field(default_factory=ManualClock)
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def to_its_end(self) -> str | None:
        """The reason for which it was given up; None where it was not."""
        supervisor = Supervisor(
            self.cluster, self.home, self.said.append,
            detached=True, clock=self.clock, sleep=self.sleep,
        )  # fmt: skip
        try:
            return supervisor.run()
        except Over:
            return None

    def record(self) -> supervisions.Supervision:
        found = supervisions.load(self.home)
        assert found is not None
        return found


def test_a_cluster_without_its_control_is_started_again_and_watched_on(tmp_path: Path) -> None:
    run = Run(FakeCluster([{}, {"gcs": 0.0}, {}]), tmp_path)

    assert run.to_its_end() is None

    assert run.cluster.starts == 1
    assert (run.record().phase, run.record().restarts) == ("watching", 1)
    assert run.said[0] == "Ray's GCS has died; restarting the cluster (attempt 1)"


def test_status_can_tell_what_is_under_way(tmp_path: Path) -> None:
    run = Run(FakeCluster([{"raylet": 0.0}], broken=1), tmp_path)
    seen: list[str] = []
    run.cluster.during_start = lambda: seen.append(str(run.record()))

    run.to_its_end()

    assert seen == [
        "restarting the cluster, attempt 1: Ray's raylet has died",
        "restarting the cluster, attempt 2: `ray start` ended with status 1",
    ]
    assert "restarted the cluster once" in str(run.record())


def test_a_crash_loop_is_given_up_with_the_last_reason(tmp_path: Path) -> None:
    run = Run(FakeCluster([{"gcs": 0.0}], broken=99), tmp_path)

    reason = run.to_its_end()

    assert run.cluster.starts == MAX_RESTARTS
    assert reason == "restarted 5 times within 10 minutes; last: `ray start` ended with status 1"
    assert str(run.record()) == f"gave up: {reason}"


def test_a_traceback_is_for_the_log_and_its_error_for_status(tmp_path: Path) -> None:
    run = Run(FakeCluster([{"gcs": 0.0}], broken=99), tmp_path)
    traceback = "the deployment failed\nTraceback:\n  File x\n\nImportError: gone\n"
    run.cluster.words = traceback

    reason = run.to_its_end()

    assert reason is not None
    assert reason.endswith("; last: the deployment failed: ImportError: gone")
    assert run.said.count(traceback) == MAX_RESTARTS


def test_a_cluster_that_keeps_dying_after_good_starts_is_a_crash_loop_too(tmp_path: Path) -> None:
    run = Run(FakeCluster([{"gcs": 0.0}] * 99), tmp_path)

    assert run.to_its_end() is not None
    assert run.cluster.starts == MAX_RESTARTS


def test_starts_long_ago_do_not_count(tmp_path: Path) -> None:
    clock = ManualClock()
    restarts = Restarts(clock)
    delays = [restarts.begin() for _ in range(MAX_RESTARTS)]
    assert delays == list(DELAYS_S)
    assert restarts.is_crash_loop()

    clock.advance(WINDOW_S)

    assert not restarts.is_crash_loop()
    assert restarts.begin() == 0.0


def test_while_serve_replaces_a_part_nothing_is_started_again(tmp_path: Path) -> None:
    run = Run(FakeCluster([{"haproxy": 0.0}, {"haproxy": 0.5}, {}]), tmp_path)

    run.to_its_end()

    assert run.cluster.starts == 0
    assert run.said == [
        "HAProxy has died; Serve restarts it",
        "healthy again after 1.0 s",
    ]


def test_while_no_start_can_succeed_no_attempt_is_spent(tmp_path: Path) -> None:
    """The Redis of a head may be away for longer than five attempts take."""
    run = Run(FakeCluster([{"gcs": 0.0}, {}], obstacles=["no Redis"] * 50), tmp_path)

    assert run.to_its_end() is None

    assert run.said[0] == "Ray's GCS has died; no Redis"
    assert run.cluster.starts == 1
    assert run.said[-2].endswith("(attempt 1)")


def test_a_full_disk_does_not_end_supervision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supervisions, "save", refuse)
    run = Run(FakeCluster([{}, {"gcs": 0.0}, {}]), tmp_path)

    assert run.to_its_end() is None

    assert run.cluster.starts == 1
    assert any("No space left" in line for line in run.said)


def test_a_process_that_cannot_be_revived_does_not_end_the_supervisor(tmp_path: Path) -> None:
    run = Run(FakeCluster([{"dashboard": 0.0, "log_monitor": 0.0}, {}]), tmp_path)

    run.to_its_end()

    assert run.cluster.revived == ["dashboard", "log_monitor"]
    assert "the restart failed: no such program" in run.said
