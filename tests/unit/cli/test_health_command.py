"""`mobula health`: a table or JSON, and an exit code for scripts."""

import json
from typing import Any

import httpx
import pytest

from cluster.cli import api
from tests.command_line import run_command


def dependency(name: str, state: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "test",
        "state": state,
        "since": 100.0,
        "checked_at": 220.0,
        "latency_s": 0.012,
        "detail": "",
        "consequence": f"Nothing of {name} works.",
        "replicas": [],
        **changes,
    }


def answer(state: str, *dependencies: dict[str, Any]) -> dict[str, Any]:
    return {
        "at": 220.0,
        "state": state,
        "ingress_replicas": 2,
        "dependencies": list(dependencies),
    }


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the cluster answers, to be filled; 503 while it is empty."""
    content: dict[str, Any] = {}

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/health/dependencies"
        return httpx.Response(200 if content else 503, json=content)

    def connect(key: str | None) -> httpx.Client:
        transport = httpx.MockTransport(respond)
        return httpx.Client(base_url="http://cluster", transport=transport)

    monkeypatch.setattr(api, "connect", connect)
    return content


@pytest.mark.parametrize(("state", "code"), [("up", 0), ("degraded", 2), ("down", 3)])
def test_the_exit_code_tells_the_worst_state(served: dict[str, Any], state: str, code: int) -> None:
    served.update(answer(state, dependency("store", state)))

    assert run_command(["health"]).exit_code == code
    assert run_command(["health", "--json"]).exit_code == code


def test_what_is_at_fault_is_shown_with_its_consequence(served: dict[str, Any]) -> None:
    away = dependency("redis", "down", detail="ConnectionError", since=40.0)
    off = dependency("cache:shared", "off", since=None, latency_s=None)
    served.update(answer("down", dependency("store", "up"), away, off))

    output = run_command(["health"]).output

    assert "ConnectionError" in output
    assert "3 min" in output
    assert "12 ms" in output
    assert "Nothing of redis works." in output
    assert "Nothing of store works." not in output


def test_programs_get_the_whole_answer(served: dict[str, Any]) -> None:
    served.update(answer("up", dependency("store", "up")))

    assert json.loads(run_command(["health", "--json"]).output) == served


def test_it_is_shown_again_and_again_until_ctrl_c(
    served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt
        served.update(answer("down", dependency("store", "down")))

    monkeypatch.setattr("cluster.cli.health.time.sleep", sleep)
    served.update(answer("up", dependency("store", "up")))

    result = run_command(["health", "--watch", "--json"])

    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["state"] for line in lines] == ["up", "down", "down"]
    assert result.exit_code == 3


def test_a_cluster_that_does_not_answer_is_asked_again(
    served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        served.clear()
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("cluster.cli.health.time.sleep", sleep)
    served.update(answer("up", dependency("store", "up")))

    assert run_command(["health", "--watch"]).exit_code == 1
