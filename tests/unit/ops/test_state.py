"""The record of a running cluster."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.ops import cluster_state as states
from cluster.ops.cluster_state import ClusterState
from cluster.ops.processes import ClusterId

GONE = ClusterId(pid=2**22 - 1, started=1.0)


def _state(owner: ClusterId) -> ClusterState:
    return ClusterState(
        id="none-has-this",
        phase="starting",
        detached=False,
        owner=owner,
        url="http://127.0.0.1:8000",
        dashboard="http://127.0.0.1:8265",
        gcs="127.0.0.1:6480",
        ray_dir="ray",
        haproxy_dir="haproxy",
        profile="fast",
        started=1.0,
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = _state(ClusterId.this())

    states.save(tmp_path, state)

    assert states.load(tmp_path) == state
    assert stat.S_IMODE((tmp_path / "cluster.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}'])
def test_an_unreadable_record_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "cluster.json").write_text(content)

    assert states.load(tmp_path) is None


def test_a_cluster_without_processes_is_abandoned() -> None:
    assert _state(ClusterId.this()).ready().is_abandoned()


def test_a_start_whose_owner_was_killed_is_abandoned() -> None:
    assert _state(GONE).is_abandoned()
    assert replace(_state(GONE), phase="ready").is_abandoned()


def test_a_second_start_is_told_that_one_is_under_way(tmp_path: Path) -> None:
    with states.startup_lock(tmp_path) as first, states.startup_lock(tmp_path) as second:
        assert (first, second) == (True, False)
    with states.startup_lock(tmp_path) as third:
        assert third


def test_every_home_leaves_room_for_rays_longest_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a home of about 40 characters Ray's dashboard did not start."""
    monkeypatch.setattr(states.tempfile, "gettempdir", lambda: str(tmp_path))
    tail = "/session_2026-11-29_23-43-18_131716_4194303/sockets/dash_MetricsHead"
    homes = [Path("/" + "h" * length) for length in range(1, 60)]

    inside = [home for home in homes if states.ray_dir(home) == home / "ray"]

    assert 20 < len(inside) < len(homes)
    assert all(len(f"{home / 'ray'}{tail}") <= 107 for home in inside)


def test_a_long_home_keeps_its_sockets_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states.tempfile, "gettempdir", lambda: str(tmp_path))
    deep = Path("/srv") / ("a" * 80)

    folder = states.ray_dir(deep)

    assert folder.is_relative_to(tmp_path)
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert states.ray_dir(Path("/srv/m")) == Path("/srv/m/ray")
