"""Whoever sends nothing, or one byte after another, is sent away; a quiet answer is not cut."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.conftest import TRUSTED
from tests.contract.haproxy.raw import exchange, get
from tests.contract.haproxy.replica import Replica

LIMIT = 5


@pytest.fixture(scope="module")
def crowded(replica: Replica) -> Iterator[HAProxyProcess]:
    settings = {"MOBULA_CONNECTIONS_PER_SOURCE": str(LIMIT), "MOBULA_TRUSTED_PROXIES": TRUSTED}
    with HAProxyProcess(replica.port, **settings) as haproxy:
        yield haproxy


@pytest.mark.parametrize(
    "sent", [b"", b"GET /ver", b"GET / HTTP/1.1\r\nhost: a\r\nx-endless: "], ids=len
)
def test_a_connection_without_a_whole_request_is_ended(
    haproxy: HAProxyProcess, sent: bytes
) -> None:
    exchange(haproxy.http_port, sent)


def test_headers_that_trickle_are_ended_too(haproxy: HAProxyProcess) -> None:
    """Each byte is in time; all of them are not."""
    until = time.monotonic() + 20
    with socket.create_connection(("127.0.0.1", haproxy.http_port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        connection.settimeout(0.2)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < until:
                connection.sendall(b"y")
                with contextlib.suppress(TimeoutError):
                    if connection.recv(1 << 16) == b"":
                        return
    assert time.monotonic() < until


@pytest.mark.parametrize("body", [b"", b"r" * 300_000], ids=["without body", "recording"])
def test_an_answer_that_begins_late_is_waited_for(replica: Replica, body: bytes) -> None:
    """However long the model takes: a client that waits is not one without progress."""
    replica.resume.clear()
    with HAProxyProcess(replica.port, client_s=1) as haproxy:
        config = haproxy.config.read_text()
        timer = threading.Timer(3.5, replica.resume.set)  # three times as long
        timer.start()
        answer = httpx.request("POST", f"{haproxy.url}/silent", content=body, timeout=20)

    assert "timeout client 1s" in config
    assert "timeout server" not in config
    assert (answer.status_code, answer.text) == (200, "at the end")


def test_a_quiet_answer_outlasts_the_time_for_headers(
    haproxy: HAProxyProcess, replica: Replica
) -> None:
    replica.resume.clear()
    with httpx.stream("GET", f"{haproxy.url}/stream", timeout=10) as answer:
        parts = answer.iter_text()
        assert next(parts) == "one,"
        replica.resume.wait(2)  # longer than the second for headers
        replica.resume.set()
        assert "".join(parts) == "two"


def test_one_source_holds_so_many_connections_and_others_are_served(
    crowded: HAProxyProcess,
) -> None:
    def connect(source: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", crowded.http_port), 5, (source, 0))

    with contextlib.ExitStack() as stack:
        for _ in range(LIMIT):
            stack.enter_context(connect("127.0.0.2"))
        assert not _is_served(crowded, "127.0.0.2")
        assert _is_served(crowded, "127.0.0.3")
    until = time.monotonic() + 20
    while not _is_served(crowded, "127.0.0.2"):
        assert time.monotonic() < until


def _is_served(haproxy: HAProxyProcess, source: str) -> bool:
    with contextlib.suppress(ConnectionError):
        return exchange(haproxy.http_port, get("/"), source=source).startswith(b"HTTP/1.1 200")
    return False


def test_a_trusted_proxy_holds_any_number(crowded: HAProxyProcess) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4 * LIMIT):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", crowded.http_port), 5, ("127.0.0.9", 0))
            )
        answer = exchange(crowded.http_port, get("/"), source="127.0.0.9")
    assert answer.startswith(b"HTTP/1.1 200")


def test_statistics_and_metrics_listen_on_loopback_alone(haproxy: HAProxyProcess) -> None:
    bound = [line.split()[1] for line in haproxy.config.read_text().splitlines() if "bind " in line]

    assert bound == [
        f"127.0.0.1:{port}"
        for port in (haproxy.metrics_port, haproxy.http_port, haproxy.stats_port)
    ]


def test_metrics_listen_elsewhere_if_a_setting_says_so(replica: Replica) -> None:
    with HAProxyProcess(replica.port, MOBULA_METRICS_HOST="0.0.0.0") as haproxy:
        text = haproxy.config.read_text()

    assert f"bind *:{haproxy.metrics_port}\n" in text
    assert f"bind 127.0.0.1:{haproxy.stats_port}\n" in text
