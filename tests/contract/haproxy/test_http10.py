"""HTTP/1.0 knows no chunks: an answer of unknown length ends with the connection."""

import json

import pytest

from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.raw import exchange, get
from tests.contract.haproxy.replica import Replica


@pytest.mark.parametrize("path", ["/", "/unknown-length"])
@pytest.mark.parametrize("way", ["haproxy", "replica"])
def test_http10_gets_no_chunks(
    haproxy: HAProxyProcess, replica: Replica, way: str, path: str
) -> None:
    port = haproxy.http_port if way == "haproxy" else replica.port

    answer = exchange(port, get(path, version="1.0"))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert json.loads(body)["version"] == "1.0"


def test_http11_gets_chunks_where_the_length_is_unknown(replica: Replica) -> None:
    assert b"transfer-encoding: chunked" in exchange(replica.port, get("/unknown-length"))


def test_a_stream_to_http10_arrives_as_it_is_made(
    haproxy: HAProxyProcess, replica: Replica
) -> None:
    replica.resume.set()

    answer = exchange(haproxy.http_port, get("/stream", version="1.0"))

    assert answer.partition(b"\r\n\r\n")[2] == b"one,two"
