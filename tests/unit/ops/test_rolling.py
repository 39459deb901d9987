"""Sending a configuration and watching it run, with Serve's answers given by the test."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, cast

import pytest

from cluster.ops import rollout
from cluster.ops.dashboard import DashboardClient, DashboardRefused
from cluster.ops.rollout import ReadinessPoller, RollFailed, Rollout, RolloutTimeout
from cluster.runtime.clock import ManualClock
from tests.unit.ops.test_rollout import APP, details

CONFIG = {"applications": [{**APP, "args": {"x": 2}}]}
OLD = (("old1", "RUNNING"), ("old2", "RUNNING"))
NEW = (("new1", "RUNNING"), ("new2", "RUNNING"))


class Serve:
    """Says `before` until something was deployed, then each of `after`, the last one for ever."""

    def __init__(self, *after: Any) -> None:
        self._after = list(after)
        self.sent: list[Any] = []
        self.refusal: str | None = None

    def details(self) -> dict[str, Any]:
        if not self.sent:
            found = details(*OLD)
        else:
            found = self._after.pop(0) if len(self._after) > 1 else self._after[0]
        if isinstance(found, Exception):
            raise found
        return cast(dict[str, Any], found)

    def deploy(self, config: Any) -> None:
        if self.refusal:
            raise DashboardRefused(self.refusal)
        self.sent.append(config)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Waiting moves it."""
    clock = ManualClock()
    monkeypatch.setattr(rollout.time, "sleep", clock.advance)
    return clock


def roll(serve: Serve, clock: ManualClock, said: list[str], timeout_s: float = 60.0) -> Any:
    found = Rollout(cast(DashboardClient, serve), "http://127.0.0.1:1", said.append, clock)
    return found.roll(CONFIG, timeout_s)


def test_it_waits_until_the_old_replicas_are_gone(clock: ManualClock) -> None:
    serve, said = (
        Serve(
            details(*OLD, ("new1", "STARTING"), status="DEPLOYING"),
            DashboardRefused("503: the controller starts again"),
            details(("old2", "STOPPING"), *NEW, status="DEPLOYING"),
            details(*NEW),
        ),
        list[str](),
    )

    done = roll(serve, clock, said)

    assert serve.sent == [CONFIG]
    assert done.replaced == 2
    assert done.seconds > 0
    assert said[0] == "sending the configuration"
    assert any("2 old, 1 starting" in line for line in said)


def test_a_refusal_says_that_nothing_was_changed(clock: ManualClock) -> None:
    serve = Serve(details(*OLD))
    serve.refusal = "400: extra fields"

    with pytest.raises(RollFailed, match="nothing was changed:\n400: extra fields"):
        roll(serve, clock, [])


def test_a_failure_of_serve_ends_it_with_serve_s_words(clock: ManualClock) -> None:
    failed = details(*OLD, status="DEPLOY_FAILED")
    failed["applications"]["a"]["message"] = "the constructor raised"

    with pytest.raises(RollFailed, match="the constructor raised"):
        roll(Serve(failed), clock, [])


def test_a_roll_that_takes_too_long_goes_on_and_says_what_serve_waits_for(
    clock: ManualClock,
) -> None:
    said: list[str] = []
    serve = Serve(details(*OLD, ("new1", "STARTING"), status="DEPLOYING"))

    with pytest.raises(RolloutTimeout, match="the rollout continues\na word"):
        roll(serve, clock, said)

    assert "waiting\na word" in said


def test_what_serve_takes_for_no_change_ends_at_once(clock: ManualClock) -> None:
    done = roll(Serve(details(*OLD)), clock, [])

    assert done.replaced == 0
    assert done.seconds < 10


class _Answers(BaseHTTPRequestHandler):
    statuses: list[int]

    def do_GET(self) -> None:
        self.send_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_readiness_counts_from_the_first_200_on(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "PROBE_S", 0.005)
    _Answers.statuses = [503, 200, 200, 503, 200]
    seen = threading.Event()

    with ReadinessPoller(f"http://127.0.0.1:{server.server_port}") as probing:
        while probing.probes < 4:
            seen.wait(0.005)

    assert probing.unready == 1
