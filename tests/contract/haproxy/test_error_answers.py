"""What HAProxy answers itself reads as if a replica had answered it."""

import json
from collections.abc import Iterator

import httpx
import pytest

from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.raw import exchange, get
from tests.contract.haproxy.replica import Replica

ID = "my-own-request-id"


@pytest.fixture(scope="module")
def alone() -> Iterator[HAProxyProcess]:
    """HAProxy whose only replica has just died: its health check has not noticed yet."""
    with Replica() as replica, HAProxyProcess(replica.port) as haproxy:
        replica.__exit__(None, None, None)
        yield haproxy


def _native(answer: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get_list("x-request-id") == [ID]
    body: dict[str, object] = answer.json()
    assert (body["status"], body["request_id"]) == (status, ID)
    assert body["type"] == f"https://mobula.dev/problems/{slug}"
    return body


def test_no_replica_is_a_problem_that_says_when_to_retry(alone: HAProxyProcess) -> None:
    answer = httpx.get(f"{alone.url}/api/v1/jobs", headers={"X-Request-ID": ID})

    assert _native(answer, 503, "overloaded")["retry_after_s"] == 1
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("path", ["/v1", "/v1/models", "/v1/chat/completions"])
def test_under_v1_it_is_openais_envelope(alone: HAProxyProcess, path: str) -> None:
    answer = httpx.get(alone.url + path, headers={"X-Request-ID": ID})

    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("server_error", "overloaded")
    assert error["request_id"] == ID


def test_a_body_that_does_not_come_is_a_timeout_in_openais_form(haproxy: HAProxyProcess) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{"

    answer = exchange(haproxy.http_port, head)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"


def test_before_any_application_every_path_is_unavailable(replica: Replica) -> None:
    with HAProxyProcess(replica.port) as haproxy:
        haproxy.reload(prefix=None)
        answer = httpx.get(f"{haproxy.url}/anything", headers={"X-Request-ID": ID})

    _native(answer, 503, "overloaded")


def test_a_path_outside_every_application_is_not_found(replica: Replica) -> None:
    with HAProxyProcess(replica.port) as haproxy:
        haproxy.reload(prefix="/mobula")
        answer = httpx.get(f"{haproxy.url}/elsewhere", headers={"X-Request-ID": ID})

    _native(answer, 404, "not-found")


def test_what_cannot_be_parsed_is_refused(haproxy: HAProxyProcess) -> None:
    """HAProxy 2.8 answers these before it has a request, with a text that is built in."""
    for odd in (b"bad header", b"x: " + b"y" * 20_000, b"content-length: 1\r\ncontent-length: 2"):
        assert exchange(haproxy.http_port, get("/", odd)).startswith(b"HTTP/1.1 400 ")
    assert exchange(haproxy.http_port, get("/caf\xe9")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("method", ["QUERY", "PROPFIND", "X" * 60])
def test_a_method_that_no_route_has_reaches_no_replica(
    haproxy: HAProxyProcess, method: str
) -> None:
    """Serve would make a metric series of it."""
    answer = httpx.request(method, f"{haproxy.url}/api/v1/jobs", headers={"X-Request-ID": ID})

    assert "DELETE, GET" in str(_native(answer, 501, "method-not-implemented")["detail"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_known_method_is_passed_on(haproxy: HAProxyProcess, method: str) -> None:
    assert httpx.request(method, f"{haproxy.url}/api/v1/jobs").status_code != 501
