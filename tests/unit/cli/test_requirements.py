"""What a command does where this machine lacks something that it needs: one line, exit code 2."""

import subprocess
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.cli.app import app
from cluster.cli.requirements import MissingRequirement, require_program
from load_tests.benchmarks.common import environments, redis_process
from load_tests.benchmarks.common.environments import install_environment
from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.speed import bench_load


def test_a_program_is_found_on_the_path_or_the_error_says_how_to_get_it() -> None:
    assert require_program("sh", "unused").name == "sh"

    with pytest.raises(MissingRequirement, match="needs no-such-program: apt-get install it"):
        require_program("no-such-program", "apt-get install it")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["path"], "needs wrk"),
        (["stream"], "needs wrk"),
        (["compare"], "needs wrk"),
        (["capacity"], "needs wrk"),
        (["cache", "--part", "speed"], "needs wrk"),
        (["chaos", "--redis"], "needs redis-server"),
        (["nodes"], "needs redis-server"),
        (["hostile-input"], "there is no key"),
        (["hostile-input", "--key", "k", "--url", "http://127.0.0.1:1"], "nothing answers"),
        (["load"], "no cluster is running here"),
    ],
    ids=" ".join,
)
def test_a_benchmark_without_what_it_needs_fails_in_one_line(
    command: list[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))
    monkeypatch.setattr(redis_process, "find_program", lambda name: None)

    result = CliRunner().invoke(app, ["bench", *command])

    assert result.exit_code == 2, result.output
    [line] = [line for line in result.output.splitlines() if line]
    assert line.startswith("error: ")
    assert expected in line


def test_slow_clients_need_a_server_on_the_port_that_is_named() -> None:
    result = CliRunner().invoke(app, ["bench", "slow-clients", "--port", str(free_port())])

    assert result.exit_code == 2
    assert "nothing listens on port" in result.output


def test_simulated_users_need_locust(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_no_locust(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(bench_load, "find_spec", find_no_locust)

    with pytest.raises(MissingRequirement, match="MOBULA_EXTRAS=dev"):
        bench_load.main([])


def test_an_environment_that_pip_cannot_install_is_a_missing_requirement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], check: bool) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(environments.subprocess, "run", fail)

    with pytest.raises(MissingRequirement, match="needs smg==1, which pip could not install"):
        install_environment(tmp_path, ["smg==1"])
