"""When an upstream is asked, and when it is left out: no clock but a manual one, no sockets."""

import pytest

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.failure_class import UpstreamBusy, UpstreamFailed, UpstreamRefused
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, Problem
from deployments.providers.credentials import Credential
from deployments.providers.errors import UpstreamUnreachable
from deployments.providers.http.egress import Egress, parse_endpoint
from deployments.providers.http.limits import HttpLimits
from deployments.providers.http.pool import ConnectionPool
from deployments.providers.provider_model import CompletionCall
from deployments.providers.upstream import FAILURES, PROBE_S, REFUSED_S, Upstream
from deployments.providers.upstream_caller import UpstreamCaller
from deployments.providers.wire import WireCodec
from tests.upstream_server.requests import chat_request

BUSY = UpstreamBusy("no", 30.0)
REFUSED, FAILED = UpstreamRefused("m"), UpstreamFailed("m")
UNREACHABLE = UpstreamUnreachable("m")


def upstream(name: str) -> Upstream:
    endpoint = parse_endpoint("https://api.example.com/v1", ())
    pool = ConnectionPool(Egress(()), endpoint, HttpLimits())
    return Upstream(name, "up", endpoint, pool, Credential("authorization", {}), {}, {})


class Choices:
    """Which upstreams calls go to."""

    def __init__(self, *names: str) -> None:
        self.clock = ManualClock()
        self.upstreams = {name: upstream(name) for name in names}
        replicas = ReplicaSet(RoutingSpec(policy="round-robin"), self.clock)
        self._caller = UpstreamCaller("m", [*self.upstreams.values()], replicas, self.clock)
        self._number = 0

    def note(self, name: str, problem: Problem | None, times: int = 1) -> None:
        for _ in range(times):
            self._caller.note(self.upstreams[name], problem)

    def of(self, calls: int) -> list[str]:
        """The upstream of each call; empty where none may be asked."""
        names = []
        for _ in range(calls):
            self._number += 1
            codec: WireCodec = None  # type: ignore[assignment]  # nothing is sent
            wire = CompletionCall(codec, chat_request(), streams=False)
            attempt = self._caller.unary(wire, f"c{self._number}", 10.0, 10.0)
            names.append(self._caller.replicas.placed(attempt.call) or "")
        return names


def test_one_that_has_named_a_time_is_not_asked_before() -> None:
    choices = Choices("a", "b")
    choices.note("a", BUSY)

    assert choices.of(4) == ["b"] * 4
    choices.clock.advance(30.0)
    assert "a" in choices.of(2)


def test_nobody_is_asked_where_all_have_named_a_time() -> None:
    choices = Choices("a", "b")
    choices.note("a", BUSY)
    choices.note("b", UpstreamBusy("no", 10.0))

    assert choices.of(1) == [""]
    choices.clock.advance(10.0)
    assert choices.of(2) == ["b", "b"]


def test_a_success_of_an_earlier_request_does_not_shorten_the_time() -> None:
    choices = Choices("a", "b")
    choices.note("a", BUSY)
    choices.note("a", None)

    assert choices.of(3) == ["b"] * 3


@pytest.mark.parametrize("problem", [REFUSED, UNREACHABLE])
def test_one_that_refuses_or_is_away_is_left_out_at_once(problem: Problem) -> None:
    choices = Choices("a", "b")
    choices.note("a", problem)

    assert choices.of(4) == ["b"] * 4


def test_one_that_fails_is_left_out_after_some_failures_in_a_row() -> None:
    choices = Choices("a", "b")
    choices.note("a", FAILED, times=FAILURES - 1)
    assert sorted(choices.of(2)) == ["a", "b"]

    choices.note("a", FAILED)

    assert choices.of(4) == ["b"] * 4


def test_a_success_between_failures_starts_the_count_again() -> None:
    choices = Choices("a", "b")
    choices.note("a", FAILED, times=FAILURES - 1)
    choices.note("a", None)
    choices.note("a", FAILED)

    assert sorted(choices.of(2)) == ["a", "b"]


def test_after_its_time_one_request_shows_whether_it_is_back() -> None:
    choices = Choices("a", "b")
    choices.note("a", REFUSED)
    choices.clock.advance(REFUSED_S)

    assert choices.of(4) == ["a", "b", "b", "b"]
    choices.note("a", None)
    assert sorted(choices.of(2)) == ["a", "b"]


def test_the_time_grows_with_each_failure_of_that_request() -> None:
    choices = Choices("a", "b")
    choices.note("a", REFUSED)
    choices.clock.advance(REFUSED_S)
    assert choices.of(1) == ["a"]
    choices.note("a", REFUSED)

    choices.clock.advance(2 * REFUSED_S - 0.1)
    assert choices.of(1) == ["b"]
    choices.clock.advance(0.1)
    assert choices.of(1) == ["a"]


def test_failures_of_requests_that_were_sent_before_do_not_make_it_longer() -> None:
    choices = Choices("a", "b")
    choices.note("a", REFUSED, times=20)
    choices.clock.advance(REFUSED_S)

    assert choices.of(1) == ["a"]


def test_a_request_that_shows_nothing_is_followed_by_another() -> None:
    choices = Choices("a", "b")
    choices.note("a", REFUSED)
    choices.clock.advance(REFUSED_S)
    assert choices.of(1) == ["a"]

    choices.clock.advance(PROBE_S)

    assert choices.of(1) == ["a"]


def test_one_that_is_left_out_is_asked_where_no_other_can_be() -> None:
    choices = Choices("a", "b")
    choices.note("a", REFUSED)
    choices.note("b", BUSY)

    assert choices.of(2) == ["a", "a"]
    assert Choices("only").of(1) == ["only"]


def test_a_callers_fault_says_nothing_of_the_upstream() -> None:
    choices = Choices("a", "b")
    choices.note("a", InvalidRequest("n must be 1"), times=10)

    assert sorted(choices.of(2)) == ["a", "b"]


def test_another_key_makes_a_new_start() -> None:
    choices = Choices("a", "b")
    choices.note("a", REFUSED)
    choices.note("a", BUSY)

    choices.upstreams["a"].readmit()

    assert sorted(choices.of(2)) == ["a", "b"]
