"""What `up` refuses before it starts anything, and what it says of a deployment that fails."""

from dataclasses import replace
from pathlib import Path

import pytest

from cluster.ops import cluster_state as states
from cluster.ops import start_plan as plans
from cluster.ops import startup
from cluster.ops.dashboard import AppStatus
from cluster.ops.ports import PortConflict
from cluster.ops.start_plan import StartFailed, StartPlan, check
from cluster.ops.startup import Startup, delete_old_sessions
from cluster.runtime.settings import Settings


def _plan(tmp_path: Path, config: str) -> StartPlan:
    path = tmp_path / "serve_config.yaml"
    path.write_text(config)
    return StartPlan(Settings(home=tmp_path / "home", http_port=8123), path)


def test_our_address_goes_into_the_operators_file(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "http_options: {port: 1, keep_alive_timeout_s: 9}\napplications: []\n")

    config = plan.serve_config()

    expected = {"host": "127.0.0.1", "port": 8123, "keep_alive_timeout_s": 9}
    assert config["http_options"] == expected
    assert plan.url == "http://127.0.0.1:8123"


@pytest.mark.parametrize("config", ["applications: [", "- 1", "{}"])
def test_an_unusable_file_is_named(tmp_path: Path, config: str) -> None:
    with pytest.raises(StartFailed, match="serve_config"):
        _plan(tmp_path, config).serve_config()


def test_a_taken_port_is_named_with_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        plans, "find_conflict", lambda _ports: [PortConflict("HTTP", 8123, "nginx (pid 9)")]
    )

    with pytest.raises(StartFailed, match=r"port 8123 for HTTP is in use by nginx \(pid 9\)"):
        check(_plan(tmp_path, "applications: []"))


def test_too_little_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "find_conflict", lambda _ports: [])
    little = type("Memory", (), {"available": 1 << 30})
    monkeypatch.setattr(plans.psutil, "virtual_memory", little)

    with pytest.raises(StartFailed, match=r"1\.0 GiB of memory is available; Mobula needs 3 GiB"):
        check(_plan(tmp_path, "applications: []"))


def test_an_address_for_other_nodes_needs_a_host_that_lets_them_in(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "applications: []")
    alone = plan.settings.model_copy(update={"node_address": "10.0.0.5"})

    with pytest.raises(StartFailed, match=r"MOBULA_HOST .*set it to 0\.0\.0\.0"):
        check(StartPlan(alone, plan.config))


def test_several_nodes_need_an_address_that_others_reach(tmp_path: Path) -> None:
    alone = _plan(tmp_path, "applications: []")

    with pytest.raises(StartFailed, match="MOBULA_NODE_ADDRESS on loopback"):
        check(replace(alone, nodes=2))


class FailingDashboard:
    """Of a cluster on which no application builds."""

    def __init__(self, *_: object) -> None: ...

    def is_up(self) -> bool:
        return True

    def deploy(self, config: object) -> None: ...

    def status(self) -> AppStatus:
        return AppStatus("DEPLOY_FAILED", "ValueError: the operator's mistake", {})

    def close(self) -> None: ...


def test_a_deployment_that_fails_is_explained_and_the_start_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real launcher: tests/chaos/test_up_leaves_nothing.py."""
    monkeypatch.setattr(Startup, "_start_ray", lambda _: None)
    monkeypatch.setattr(startup, "DashboardClient", FailingDashboard)
    monkeypatch.setattr(startup, "is_ready", lambda *_: False)
    monkeypatch.setattr(startup, "STATUS_INTERVAL_S", 0.0)
    plan = _plan(tmp_path, "applications: []")
    plan.home.mkdir()

    with pytest.raises(StartFailed, match="deployment failed\nValueError: the operator's mistake"):
        Startup(plan, lambda _: None).start()

    assert states.load(plan.home) is None


def test_logs_of_the_latest_starts_are_kept(tmp_path: Path) -> None:
    for day in range(1, 6):
        (tmp_path / f"session_2026-01-0{day}_x").mkdir()

    delete_old_sessions(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "session_2026-01-04_x", "session_2026-01-05_x",
    ]  # fmt: skip
