"""Joining a Ray cluster: what is said, at once, where it cannot be done."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from cluster.client import Mobula
from cluster.ops import ray_connection
from cluster.resilience.failure_class import Unavailable
from cluster.runtime.problems import InvalidRequest, Malformed, Problem, Unauthenticated


class _Refusing(grpc.GenericRpcHandler):
    """Stands where Ray's control service does, and answers everything with one status."""

    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def service(self, details: Any) -> Any:
        def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(self._code, "refused")
            return b""

        return grpc.unary_unary_rpc_method_handler(refuse)


@contextmanager
def control_service(code: grpc.StatusCode) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((_Refusing(code),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0)


@pytest.fixture(autouse=True)
def _outside_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_connection.ray, "is_initialized", lambda: False)


def failure() -> Problem:
    started = time.monotonic()
    with pytest.raises(Problem) as caught:
        Mobula(api_key="mob_any_key").chat("hello")
    assert time.monotonic() - started < 10.0  # Ray alone tries for 20 s
    return caught.value


def test_a_cluster_that_asks_for_a_token_is_a_401_that_says_how_to_set_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with control_service(grpc.StatusCode.UNAUTHENTICATED) as address:
        monkeypatch.setenv("RAY_ADDRESS", address)
        problem = failure()

    assert type(problem) is Unauthenticated
    assert "RAY_AUTH_TOKEN_PATH" in problem.detail
    assert address in problem.detail


def test_an_address_where_nothing_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with control_service(grpc.StatusCode.OK) as address:
        pass
    monkeypatch.setenv("RAY_ADDRESS", address)

    problem = failure()

    assert isinstance(problem, Unavailable)
    assert address in problem.detail


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "soon"])
def test_a_timeout_that_is_none_is_refused(timeout_s: Any) -> None:
    with pytest.raises(InvalidRequest, match="timeout_s"):
        Mobula(api_key="mob_any_key", timeout_s=timeout_s)


@pytest.mark.parametrize(
    "call",
    [
        lambda mobula: mobula.chat("\ud800"),
        lambda mobula: mobula.chat("hi", seed=2**80),
        lambda mobula: mobula.chat("hi", temperature=float("nan")),
        lambda mobula: mobula.chat("hi", stop={"a"}),
        lambda mobula: mobula.chat(None),
        lambda mobula: mobula.chat(5),
        lambda mobula: mobula.embed(7),
        lambda mobula: mobula.caption(object()),
        lambda mobula: mobula.caption_batch(None),
        lambda mobula: mobula.post_batch([{"topic": b"tea"}]),
        lambda mobula: list(mobula.stream_chat("hi", user={1: 2})),
        lambda mobula: mobula.clip({"a"}),
    ],
)
def test_what_cannot_be_sent_is_malformed_before_anything_is_joined(call: Any) -> None:
    with pytest.raises(Malformed):
        call(Mobula(api_key="mob_any_key"))
