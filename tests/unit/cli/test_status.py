"""`mobula status`: what it shows of a cluster that tells everything, a part of it, or nothing."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from cluster.cli import status
from cluster.cli.scaling_view import scaling_view
from cluster.ops import cluster_state as states
from cluster.ops import supervision as supervisions
from cluster.ops.cluster_state import ClusterState
from cluster.ops.dashboard import AppStatus, DashboardRefused
from cluster.ops.processes import ClusterId
from cluster.ops.supervision import Supervision
from cluster.runtime.settings import Settings

REPLICA = {
    "id": "abcd1234",
    "state": "ready",
    "node": "n" * 56,
    "address": "10.0.0.1",
    "since": 5.0,
    "requests": 4,
    "tokens": 900,
    "mean_s": 0.25,
    "weight": 1.0,
    "ejected_by": 0,
    "ejected_for_s": 0.0,
    "ejected_because": "",
}
DECISION = {
    "deployment": "Model:[nano]",
    "at": 1_700_000_000.0,
    "ready": 1,
    "before": 1,
    "target": 3,
    "bound": "queue",
    "reason": "24 open, 8 each",
    "signals": {},
}
DEPLOYMENT = {
    "name": "Model:[nano]",
    "model": "[nano]",
    "status": "UPSCALING",
    "message": "",
    "target": 3,
    "ready": 1,
    "starting": 2,
    "stopping": 0,
    "replicas": [REPLICA],
    "queue": {"replicas": 1, "running": 4, "waiting": 7},
    "scaling": {"words": "1 to 4 replicas", "spec": {}},
    "bounds": {
        "deployment": "Model:[nano]",
        "floor": 2,
        "ceiling": None,
        "until": None,
        "set_by": "key:abc",
    },
    "calls": {"breakers": {"open": 1, "closed": 2}},
    "decisions": [DECISION],
    "cost_per_hour": 1.5,
}
FOUND = {
    "at": 1_700_000_001.0,
    "age_s": 0.2,
    "away": [],
    "ingress_replicas": 1,
    "open_calls": 4,
    "cost_per_hour": 1.5,
    "deployments": [DEPLOYMENT],
}
Answer = Callable[[httpx.Request], httpx.Response]


def shown(renderable: Any, width: int = 200) -> str:
    out = StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


class FakeDashboard:
    """Ray's dashboard, up or not."""

    refuses = False

    def __init__(self, *_: object) -> None: ...

    def status(self) -> AppStatus:
        if self.refuses:
            raise DashboardRefused("500: no")
        return AppStatus("RUNNING", "", {"Ingress": "1/1"})

    def close(self) -> None: ...


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose cluster is up, as far as its state tells."""
    owner = ClusterId(1, 0.0)
    state = ClusterState(
        "c-1", "ready", True, owner, "http://mobula.test", "http://dash.test", "g", "r", "h",
        "fast", 0.0,
    )  # fmt: skip
    states.save(tmp_path, state)
    (tmp_path / "ray.token").write_text("t")
    monkeypatch.setattr(ClusterState, "is_abandoned", lambda _: False)
    monkeypatch.setattr(status, "cluster_processes", lambda _: [])
    monkeypatch.setattr(status, "is_ready", lambda *_: True)
    monkeypatch.setattr(status, "DashboardClient", FakeDashboard)
    return Settings(home=tmp_path)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Sets what the cluster answers."""

    def set_to(answer: Answer) -> None:
        transport = httpx.MockTransport(answer)
        base = "http://mobula.test"
        monkeypatch.setattr(
            status, "client", lambda *_: httpx.Client(transport=transport, base_url=base)
        )

    return set_to


def test_without_a_cluster_it_says_so(tmp_path: Path) -> None:
    assert status.collect_status(Settings(home=tmp_path)) == (1, "not running")


def test_a_cluster_that_is_started_again_is_not_simply_gone(tmp_path: Path) -> None:
    record = Supervision(ClusterId.this(), True, "restarting", "Ray's GCS has died", 2)
    supervisions.save(tmp_path, record)

    code, found = status.collect_status(Settings(home=tmp_path))

    assert code == 1
    assert "restarting the cluster, attempt 2: Ray's GCS has died" in str(found)


def test_a_cluster_that_was_given_up_says_why(tmp_path: Path) -> None:
    record = Supervision(
        ClusterId(2**22 - 1, 1.0), True, "gave up", "started 5 times; last: no [disk]"
    )
    supervisions.save(tmp_path, record)

    code, found = status.collect_status(Settings(home=tmp_path))

    assert code == 1
    assert "gave up: started 5 times; last: no [disk]" in shown(found)


def test_what_the_supervisor_of_a_running_cluster_does_is_shown(
    settings: Settings, answering: Callable[[Answer], None]
) -> None:
    answering(lambda _: httpx.Response(200, json=FOUND))
    supervisions.save(settings.home, Supervision(ClusterId.this(), True, restarts=1))

    assert "supervisor watching; restarted the cluster once" in shown(
        status.collect_status(settings)[1]
    )


def test_replicas_load_breakers_and_decisions_are_shown(
    settings: Settings, answering: Callable[[Answer], None]
) -> None:
    answering(lambda _: httpx.Response(200, json=FOUND))

    code, found = status.collect_status(settings)

    text = shown(found)
    assert code == 0
    assert "ready http://mobula.test" in text
    for words in (
        "Model:[nano]", "1/3, 2 starting", "4 run, 7 wait", "900", "0.250", "open, closed x2",
        "held at 2 or more, by key:abc", "1 -> 3  queue  24 open, 8 each",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            lambda _: httpx.Response(401, json={"detail": "This key is not known."}), id="no key"
        ),
        pytest.param(lambda _: httpx.Response(404, json={"detail": "Not found"}), id="older"),
        pytest.param(lambda _: httpx.Response(502, text="<html>"), id="no JSON"),
    ],
)
def test_where_the_cluster_does_not_tell_the_dashboard_does(
    settings: Settings, answering: Callable[[Answer], None], answer: Answer
) -> None:
    answering(answer)

    code, found = status.collect_status(settings)

    assert code == 0
    assert "are not available" in shown(found)
    assert "Ingress" in shown(found)


def test_a_cluster_that_is_starting_shows_what_the_dashboard_knows(
    settings: Settings, answering: Callable[[Answer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    monkeypatch.setattr(status, "is_ready", lambda *_: False)
    monkeypatch.setattr(FakeDashboard, "refuses", True)
    answering(refuse)

    code, found = status.collect_status(settings)

    assert code == 1
    assert "not answering" in shown(found)
    assert "the dashboard does not answer" in shown(found)


def test_without_a_terminal_watching_prints_once(
    settings: Settings, answering: Callable[[Answer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, asked = StringIO(), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=FOUND)

    monkeypatch.setattr(status, "console", Console(file=out, width=200))
    monkeypatch.setenv("MOBULA_HOME", str(settings.home))
    answering(answer)

    assert status.run(watch=True) == 0
    assert len(asked) == 1
    assert "Model:[nano]" in out.getvalue()


def test_on_a_terminal_it_is_shown_anew_until_ctrl_c(
    settings: Settings, answering: Callable[[Answer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ticks = StringIO(), iter(range(2))

    def sleep(_: float) -> None:
        if next(ticks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "console", Console(file=out, width=200, force_terminal=True))
    monkeypatch.setattr(status.time, "sleep", sleep)
    monkeypatch.setenv("MOBULA_HOME", str(settings.home))
    grown = [1, 2, 3]
    answering(
        lambda _: httpx.Response(
            200, json={**FOUND, "deployments": [{**DEPLOYMENT, "ready": grown.pop(0)}]}
        )
    )

    assert status.run(watch=True) == 0
    assert grown == []
    assert "3/3" in out.getvalue()


def test_what_is_away_is_named_with_the_age_of_what_is_shown() -> None:
    unknown = dict.fromkeys(("target", "ready", "starting", "stopping", "calls", "queue"))
    away = {
        **FOUND,
        "away": ["controller", "store"],
        "age_s": 12.3,
        "deployments": [{**DEPLOYMENT, **unknown}],
    }

    text = shown(scaling_view(away))

    assert "controller does not answer" in text
    assert "12 s old" in text
    assert "the database does not answer" in text
    assert "?" in text


def test_every_replica_has_a_line_where_that_is_asked_for() -> None:
    out = {**REPLICA, "id": "[ef]", "ejected_by": 1, "ejected_for_s": 8.0}
    found = {**FOUND, "deployments": [{**DEPLOYMENT, "replicas": [REPLICA, out]}]}
    found["deployments"][0]["replicas"][1]["ejected_because"] = "3 times slower"

    text = shown(scaling_view(found, replicas=True))

    assert "abcd1234" in text
    assert "10.0.0.1 nnnnnnnn" in text
    assert "8 s: 3 times slower" in text
    assert "1 ejected" in text
    assert json.dumps("[ef]")[1:-1] in text
    assert "1 to 4 replicas" in text
    assert "cost per hour  1.5" in text
