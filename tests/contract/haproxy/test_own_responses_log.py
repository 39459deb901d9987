"""Requests that HAProxy itself ends have a line in the node's log; all others have none."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.ops.haproxy_log import MAX_PER_S
from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.raw import exchange, get
from tests.contract.haproxy.replica import Replica

ID = "my-own-request-id"
LATE_BODY = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{"


class Log:
    """The node's log; each call gives the lines since the one before."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "logs"
        self._seen = 0

    def wait(self, count: int) -> list[dict[str, Any]]:
        until = time.monotonic() + 10
        while len(lines := self._read()) < count and time.monotonic() < until:
            time.sleep(0.01)
        self._seen += len(lines)
        return lines

    def _read(self) -> list[dict[str, Any]]:
        files = sorted(self._folder.iterdir(), key=lambda each: each.stat().st_mtime)
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")][self._seen :]


@pytest.fixture
def logged(replica: Replica, tmp_path: Path) -> Iterator[tuple[HAProxyProcess, Log]]:
    settings = {"MOBULA_HEADER_TIMEOUT_S": "1", "MOBULA_HOME": str(tmp_path)}
    with HAProxyProcess(replica.port, **settings) as haproxy:
        yield haproxy, Log(tmp_path)


def test_what_a_replica_answers_is_not_logged(logged: tuple[HAProxyProcess, Log]) -> None:
    haproxy, log = logged
    for path in ("/api/v1/jobs", "/unknown-length", "/api/v1/die"):
        httpx.get(haproxy.url + path)
    httpx.get(f"{haproxy.url}/-/healthz")
    refused = httpx.request("QUERY", haproxy.url, headers={"X-Request-ID": ID})

    [line] = log.wait(1)
    assert refused.status_code == 501
    assert (line["event"], line["status"], line["request_id"]) == ("haproxy", 501, ID)
    assert line["client"] == "127.0.0.1"


def test_a_timeout_is_logged(logged: tuple[HAProxyProcess, Log]) -> None:
    haproxy, log = logged
    assert exchange(haproxy.http_port, LATE_BODY).startswith(b"HTTP/1.1 408 ")

    [line] = log.wait(1)
    assert line["status"] == 408
    assert line["ms"] >= 1_000


def test_a_request_without_a_replica_is_logged(tmp_path: Path) -> None:
    with Replica() as replica, HAProxyProcess(replica.port, MOBULA_HOME=str(tmp_path)) as haproxy:
        replica.__exit__(None, None, None)
        httpx.get(f"{haproxy.url}/api/v1/jobs", headers={"X-Request-ID": ID})

        [line] = Log(tmp_path).wait(1)
    assert (line["status"], line["request_id"]) == (503, ID)


def test_a_client_that_leaves_is_not_logged(logged: tuple[HAProxyProcess, Log]) -> None:
    haproxy, log = logged
    with pytest.raises(TimeoutError):
        exchange(haproxy.http_port, get("/hang"), within_s=0.1)
    with pytest.raises(TimeoutError):
        exchange(haproxy.http_port, b"GET / HTTP/1.1\r\nho", within_s=0.1)
    httpx.request("QUERY", haproxy.url)

    assert [line["status"] for line in log.wait(1)] == [501]


def test_a_flood_of_refusals_has_a_bounded_number_of_lines(
    logged: tuple[HAProxyProcess, Log],
) -> None:
    haproxy, log = logged
    began = time.monotonic()
    with httpx.Client(base_url=haproxy.url) as client:
        for _ in range(20 * MAX_PER_S):
            assert client.request("QUERY", "/").status_code == 501
    seconds = time.monotonic() - began

    assert MAX_PER_S <= len(log.wait(MAX_PER_S)) <= MAX_PER_S * (seconds + 2)


def test_no_line_is_lost_by_a_reload(logged: tuple[HAProxyProcess, Log]) -> None:
    haproxy, log = logged
    httpx.request("QUERY", haproxy.url)
    haproxy.reload()
    httpx.request("QUERY", haproxy.url)

    assert len(log.wait(2)) == 2
