"""A new start of a cluster that died: with what, and when not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.ops import cluster_state as states
from cluster.ops import supervised_cluster
from cluster.ops.cluster_state import ClusterState
from cluster.ops.last_good_config import LastGoodConfig
from cluster.ops.processes import ClusterId
from cluster.ops.start_plan import StartFailed, StartPlan
from cluster.ops.supervised_cluster import EndedElsewhere, SupervisedCluster
from cluster.runtime.settings import Settings

GOOD = LastGoodConfig({"applications": [{"name": "good"}]}, {"applications": [{"name": "good"}]})
PENDING = LastGoodConfig({"applications": [{"name": "new"}]}, {"applications": [{"name": "new"}]})


def state_of(id_: str) -> ClusterState:
    return ClusterState(
        id_,
        "ready",
        True,
        ClusterId.this(),
        "http://127.0.0.1:8123",
        "d",
        "g",
        "r",
        "h",
        "fast",
        0.0,
    )


class FakeStartup:
    """Remembers what was to be started; what is called "new" does not start."""

    started: list[tuple[StartPlan, LastGoodConfig | None]]

    def __init__(self, plan: StartPlan, _say: Any, *, deployed: LastGoodConfig | None) -> None:
        self.state = state_of(f"c{len(self.started) + 2}")
        self.started.append((plan, deployed))
        self._home, self._deployed = plan.home, deployed
        self.before_undo = lambda: None

    def start(self) -> ClusterState:
        if self._deployed is not None and self._deployed.sent["applications"][0]["name"] == "new":
            raise StartFailed("the deployment failed")
        states.save(self._home, self.state)
        return self.state


class Quiet:
    """A watch or a prober with nothing to tell."""

    commands: Mapping[str, Any] = {}

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: object) -> None: ...

    def away(self) -> dict[str, float]:
        return {}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SupervisedCluster:
    FakeStartup.started = []
    for name in ("ClusterMonitor", "Prober"):
        monkeypatch.setattr(supervised_cluster, name, Quiet)
    monkeypatch.setattr(supervised_cluster, "Startup", FakeStartup)
    monkeypatch.setattr(supervised_cluster, "by_role", lambda _: {})
    monkeypatch.setattr(supervised_cluster, "check_ports_free", lambda _: None)
    monkeypatch.setattr(supervised_cluster, "sweep", lambda home, *_: states.forget(home))
    edited = tmp_path / "edited.yaml"
    edited.write_text("applications: [{name: never deployed}]")
    state = state_of("c1")
    states.save(tmp_path, state)
    plan = StartPlan(Settings(home=tmp_path, http_port=8123), edited, nodes=3, cpus=7)
    return SupervisedCluster(plan, state, lambda _: None, count_cpus=lambda _: 4)


def names() -> list[str]:
    return [each.sent["applications"][0]["name"] for _, each in FakeStartup.started if each]


def test_what_was_deployed_last_is_started_and_not_the_edited_file(
    cluster: SupervisedCluster, tmp_path: Path
) -> None:
    GOOD.save(tmp_path)

    with cluster:
        cluster.start_again()

    [(plan, deployed)] = FakeStartup.started
    assert names() == ["good"]
    assert deployed is not None
    assert deployed.sent["http_options"] == {"host": "127.0.0.1", "port": 8123}
    assert (plan.nodes, plan.cpus) == (1, 4)
    assert cluster.state.id == "c2"


def test_what_was_sent_and_does_not_start_gives_way_to_what_worked(
    cluster: SupervisedCluster, tmp_path: Path
) -> None:
    GOOD.save(tmp_path)
    PENDING.save_pending(tmp_path)

    with cluster:
        with pytest.raises(StartFailed):
            cluster.start_again()
        cluster.start_again()

    assert names() == ["new", "good"]


def test_what_the_system_has_against_a_start_is_a_failed_attempt(
    cluster: SupervisedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(supervised_cluster, "sweep", refuse)

    with cluster, pytest.raises(StartFailed, match="No space left on device"):
        cluster.start_again()


def test_a_head_waits_for_the_redis_that_keeps_it(
    cluster: SupervisedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cluster.obstacle() is None
    monkeypatch.setattr(supervised_cluster.gcs_store, "connection_error", lambda _: "no Redis")

    assert cluster.obstacle() == "no Redis"


@pytest.mark.parametrize("successor", [None, "another"])
def test_a_cluster_that_was_ended_by_hand_is_not_started_again(
    cluster: SupervisedCluster, tmp_path: Path, successor: str | None
) -> None:
    states.forget(tmp_path)
    if successor is not None:
        states.save(tmp_path, state_of(successor))

    with cluster:
        with pytest.raises(EndedElsewhere):
            cluster.away()
        with pytest.raises(EndedElsewhere):
            cluster.start_again()

    assert FakeStartup.started == []


def test_nothing_is_started_beside_another_start(
    cluster: SupervisedCluster, tmp_path: Path
) -> None:
    with cluster, states.startup_lock(tmp_path):
        with pytest.raises(StartFailed, match="another `mobula up` is starting"):
            cluster.start_again()
        assert FakeStartup.started == []
