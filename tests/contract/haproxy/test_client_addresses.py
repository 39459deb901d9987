"""Whose address counts: the connection's, unless a trusted proxy says otherwise."""

import json

import httpx
import pytest

from cluster.ops.haproxy_configuration import TOKEN_HEADER
from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.raw import exchange, get
from tests.contract.haproxy.replica import Replica

FORGED = {
    "X-Forwarded-For": "1.2.3.4",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Real-IP": "1.2.3.4",
    "True-Client-IP": "1.2.3.4",
    "Forwarded": "for=1.2.3.4;proto=https",
}


def test_a_client_cannot_choose_its_address_or_scheme(client: httpx.Client) -> None:
    seen = client.get("/", headers=FORGED).json()

    assert (seen["client"], seen["scheme"]) == ("127.0.0.1", "http")
    names = {name for name, _ in seen["headers"]}
    assert not names & {name.lower() for name in (*FORGED, TOKEN_HEADER)}


def test_each_source_has_its_own_address(haproxy: HAProxyProcess) -> None:
    answer = exchange(haproxy.http_port, get("/"), source="127.0.0.7")

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["client"] == "127.0.0.7"


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 127.0.0.9", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("<script>alert(1)</script>", "127.0.0.9"),
        ("203.0.113.7, unknown", "127.0.0.9"),
        ("fe80::1%<b>", "127.0.0.9"),
        ("A" * 3000, "127.0.0.9"),
        ("", "127.0.0.9"),
    ],
)
def test_a_trusted_proxys_last_word_counts_if_it_is_an_address(
    trusted: httpx.Client, said: str, client: str
) -> None:
    headers = {"X-Forwarded-For": said, "X-Forwarded-Proto": "https"}

    seen = trusted.get("/", headers=headers).json()

    assert (seen["client"], seen["scheme"]) == (client, "https")


def test_who_asks_a_replica_directly_cannot_forge_an_address(replica: Replica) -> None:
    guess = {TOKEN_HEADER: "0" * 64}
    seen = httpx.get(f"http://127.0.0.1:{replica.port}/", headers=FORGED | guess).json()

    assert (seen["client"], seen["scheme"]) == ("127.0.0.1", "http")
    assert TOKEN_HEADER not in {name for name, _ in seen["headers"]}
