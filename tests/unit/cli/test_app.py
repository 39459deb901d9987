"""The command line itself: what it offers and what it does without a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cli import doctor
from cluster.cli.demo import events
from cluster.cli.doctor import examine
from cluster.ops import cluster_state as states
from cluster.ops.cluster_state import ClusterState
from cluster.ops.ports import Listener
from cluster.ops.processes import ClusterId
from cluster.runtime.settings import ROOT, Settings
from tests.command_line import run_command

COMMANDS = (
    "up", "down", "status", "demo", "test", "doctor", "models", "bench", "tenants", "plans", "keys",
    "users", "usage", "limits", "audit", "webhooks", "signing-keys", "cache", "scaling",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path / "home"))


def test_help_names_every_command() -> None:
    text = run_command(["--help"]).output

    assert [name for name in COMMANDS if name not in text] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = run_command([command, "--help"])

    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, cluster.cli.app; "
        "print([name for name in ('ray', 'torch', 'httpx', 'pydantic') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("down", 0),
        ("status", 1),
        ("demo", 1),
        ("models", 1),
        ("keys show", 1),
        ("keys list", 1),
        ("keys create x", 1),
        ("tenants list", 1),
        ("plans list", 1),
        ("users list", 1),
        ("usage", 1),
        ("limits", 1),
        ("audit search", 1),
        ("audit export", 1),
        ("audit verify", 1),
        ("webhooks list", 1),
        ("signing-keys rotate", 1),
        ("cache stats", 1),
        ("cache clear", 1),
        ("scaling status", 1),
        ("scaling hold x --floor 1", 1),
    ],
)
def test_without_a_cluster_a_sentence_is_said(arguments: str, code: int) -> None:
    result = run_command(arguments.split())

    assert result.exit_code == code
    assert result.output
    assert "Traceback" not in result.output


def test_an_unknown_profile_is_refused() -> None:
    result = run_command(["up", "--profile", "warp"])

    assert result.exit_code == 1
    assert "fast, plain" in result.output


def test_doctor_says_what_haproxy_may_open_and_what_it_serves(tmp_path: Path) -> None:
    def found(settings: Settings) -> dict[str, str]:
        return {each.subject: each.level for each in examine(settings)}

    assert found(Settings())["tls"] == "ok"
    assert found(Settings(host="0.0.0.0"))["tls"] == "note"
    missing = Settings(tls_cert_file=tmp_path / "a.pem", tls_key_file=tmp_path / "b.pem")
    assert found(missing)["tls"] == "bad"
    assert "connections" in found(Settings())


def test_doctor_finds_files_that_others_can_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "pepper").touch(mode=0o644)

    bad = [each for each in examine(Settings(home=home)) if each.level == "bad"]

    assert any("pepper" in each.text for each in bad)


def test_doctor_says_plainly_who_may_reach_the_ports_of_several_nodes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, node_address="10.0.0.7", gcs_port=6500)

    [found] = [each for each in examine(settings) if each.subject == "network"]

    assert found.level == "note"
    assert "10.0.0.7 on ports 6500 to 6506" in found.text
    assert "restrict access to the other nodes" in found.text


def test_doctor_says_that_one_machine_is_reached_at_the_api_alone(tmp_path: Path) -> None:
    [found] = [each for each in examine(Settings(home=tmp_path)) if each.subject == "network"]

    assert (found.level, found.text) == (
        "ok", "the API is open to this machine only, everything else on loopback",
    )  # fmt: skip


def test_doctor_finds_a_port_of_a_running_cluster_that_others_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = ClusterState(
        "c-1",
        "ready",
        True,
        ClusterId.this(),
        "http://0.0.0.0:8000",
        "d",
        "g",
        "r",
        "h",
        "fast",
        0.0,
    )
    states.save(tmp_path, state)
    found = [
        Listener("0.0.0.0", 8000, "haproxy"),
        Listener("::ffff:127.0.0.1", 6480, "gcs_server"),
        Listener("::", 35609, "ray::ServeRepli"),
    ]
    monkeypatch.setattr(doctor, "listeners", lambda _: found)

    [network] = [each for each in examine(Settings(home=tmp_path)) if each.subject == "network"]

    assert network.level == "bad"
    assert network.text.endswith("the API: ray::ServeRepli at :::35609")


def test_server_sent_events_are_read() -> None:
    lines = [": hi", "event: delta", 'data: {"text": "a"}', "", "event: completed", "data: {}"]

    assert list(events(iter(lines))) == [("delta", {"text": "a"}), ("completed", {})]
