"""Headers that Serve reads before us: an odd byte in them is harmless, and nothing is steered."""

import json

import httpx
import pytest

from cluster.ops.serve_headers import DECODED, STEERING
from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.raw import exchange, get
from tests.contract.haproxy.replica import Replica

NAMES = sorted(STEERING | DECODED)


def _ports(haproxy: HAProxyProcess, replica: Replica) -> dict[str, int]:
    return {"haproxy": haproxy.http_port, "replica": replica.port}


@pytest.mark.parametrize("way", ["haproxy", "replica"])
@pytest.mark.parametrize("spelling", ["-", "_"])
@pytest.mark.parametrize("name", NAMES)
def test_an_odd_byte_is_dropped_with_its_header(
    haproxy: HAProxyProcess, replica: Replica, name: str, spelling: str, way: str
) -> None:
    name = name.replace("-", spelling)
    odd = name.encode() + b": caf\xe9"

    answer = exchange(_ports(haproxy, replica)[way], get("/", odd, b"x-kept: caf\xe9"))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    seen = dict(json.loads(body)["headers"])
    assert seen.get(name, "").isascii()
    assert seen["x-kept"] == "caf\xe9"


@pytest.mark.parametrize("way", ["haproxy", "replica"])
@pytest.mark.parametrize("name", sorted(STEERING))
def test_what_steers_serve_is_dropped_whatever_it_says(
    haproxy: HAProxyProcess, replica: Replica, name: str, way: str
) -> None:
    answer = exchange(_ports(haproxy, replica)[way], get("/", name.encode() + b": ?1"))

    assert name not in dict(json.loads(answer.partition(b"\r\n\r\n")[2])["headers"])


def test_a_sane_request_id_is_kept_and_another_replaced(client: httpx.Client) -> None:
    def given(*values: str) -> list[str]:
        headers = [("X-Request-ID", value) for value in values]
        found = client.get("/", headers=headers).json()["headers"]
        return [value for name, value in found if name == "x-request-id"]

    assert given("my-own-request-id") == ["my-own-request-id"]
    for others in (("short",), ("a b c d e f g h",), ("one-of-two", "two-of-two"), ()):
        [made] = given(*others)
        assert made.startswith("req_")


def test_tracing_headers_pass(client: httpx.Client) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    assert ["traceparent", parent] in client.get("/", headers={"traceparent": parent}).json()[
        "headers"
    ]
