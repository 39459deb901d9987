"""The environment that Ray starts in."""

import json
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from cluster.ops.environment import (
    ONE_MACHINE,
    REPEATABLE,
    WORKER_HOOK,
    environment,
    haproxy_threads,
)
from cluster.ops.ports import Ports
from cluster.ops.worker_hook import API_PORT
from cluster.runtime.settings import MARKER, ROOT
from deployments.ingress.http.app import ALIASES

PORTS = Ports(http=8000, dashboard=8265, gcs=6480)
SOCKET_LIMIT, SERVES_OWN = 97, 57


def _environment(profile: str = "fast") -> dict[str, str]:
    chosen = "plain" if profile == "plain" else "fast"
    return environment(chosen, PORTS, "c1", Path("/home/m"), Path("/tmp/mob-12345678"), 8)


def test_every_process_gets_marker_token_and_import_path() -> None:
    env = _environment()

    assert env[MARKER] == "c1"
    assert env["SPT_NOENV"] == "1"
    assert env["RAY_AUTH_MODE"] == "token"
    assert env["RAY_AUTH_TOKEN_PATH"] == "/home/m/ray.token"
    assert env["PYTHONPATH"].split(":")[0] == str(ROOT)


def test_an_operators_tuning_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_SERVE_HAPROXY_MAXCONN", "9")
    monkeypatch.setenv("RAY_SERVE_HAPROXY_NBTHREAD", "2")

    env = _environment()

    assert env["RAY_SERVE_HAPROXY_MAXCONN"] == "9"
    assert env["RAY_SERVE_HAPROXY_NBTHREAD"] == "2"


def test_another_clusters_address_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")

    env = _environment()

    assert "RAY_ADDRESS" not in env
    assert "RAY_AUTH_TOKEN" not in env


@pytest.mark.parametrize("profile", ["fast", "plain"])
def test_on_one_machine_nothing_of_rays_or_serves_listens_for_others(profile: str) -> None:
    env = _environment(profile)

    assert env["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert env["__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR"] == "cluster.ops.worker_hook.keep_loopback"
    assert env[API_PORT] == "8000"


def test_no_tuning_opens_those_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ONE_MACHINE, "1")
    monkeypatch.setenv(API_PORT, "30250")

    env = _environment()

    assert (env[ONE_MACHINE], env[API_PORT]) == ("0", "8000")


def test_nodes_of_several_machines_reach_each_other_whatever_is_around_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in _environment().items():
        monkeypatch.setenv(name, value)

    env = environment("fast", PORTS, "c2", Path("/m"), Path("/h"), 8, one_machine=False)

    assert not {ONE_MACHINE, WORKER_HOOK, API_PORT} & env.keys()


def test_serve_looks_at_its_proxy_every_second() -> None:
    """A killed HAProxy was away for 29 s: three checks, ten seconds apart."""
    assert _environment()["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"] == "1"


@pytest.mark.parametrize("profile", ["fast", "plain"])
def test_a_proxy_may_take_as_long_to_start_as_serve_waits_for_it(profile: str) -> None:
    assert _environment(profile)["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] == "60"


def test_the_plain_profile_has_no_haproxy() -> None:
    assert not [name for name in _environment("plain") if "HAPROXY" in name or "HA_PROXY" in name]


def test_haproxys_sockets_have_short_paths() -> None:
    env = _environment()

    for name in ("RAY_SERVE_HAPROXY_SOCKET_PATH", "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH"):
        assert len(env[name]) + SERVES_OWN <= SOCKET_LIMIT


def test_what_haproxy_may_repeat_are_routes_that_generate() -> None:
    described = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]

    generating = {
        "openai", "anthropic", "tokens", "captions", "posts", "text", "search", "documents",
    }  # fmt: skip
    for path in REPEATABLE:
        tags = described[ALIASES.get(path, path)]["post"]["tags"]
        assert set(tags) <= generating, path


def test_serve_starts_haproxy_through_our_script() -> None:
    env = _environment()

    assert env["RAY_SERVE_HAPROXY_BINARY_PATH"] == str(ROOT / "cluster/ops/haproxy")
    assert Path(env["MOBULA_HAPROXY"]).is_file()
    assert env["MOBULA_REPEATABLE"].split() == list(REPEATABLE)


def test_the_script_passes_on_what_needs_no_configuration() -> None:
    env = {"PATH": "/usr/bin:/bin", "MOBULA_HAPROXY": "/bin/echo"}
    script = str(ROOT / "cluster/ops/haproxy")

    said = subprocess.run([script, "-v"], env=env, capture_output=True, text=True, check=True)

    assert said.stdout == "-v\n"


@pytest.mark.parametrize("profile", ["fast", "plain"])
def test_uvicorn_believes_no_forwarding_header_whatever_is_inherited(
    profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")

    assert _environment(profile)["FORWARDED_ALLOW_IPS"] == ""


@pytest.mark.parametrize("profile", ["fast", "plain"])
def test_serve_calls_our_layers_around_its_servers(profile: str) -> None:
    path = _environment(profile)["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"]

    module, _, function = path.rpartition(".")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 3), (64, 4)])
def test_haproxy_leaves_a_core_to_the_replicas(cores: int, threads: int) -> None:
    assert haproxy_threads(cores) == threads
