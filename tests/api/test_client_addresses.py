"""Whose address and scheme count behind HAProxy, behind a trusted proxy, and asked directly."""

import json
from typing import Any

import httpx
import pytest

from cluster.ops.haproxy_configuration import TOKEN_HEADER
from deployments.ingress.http.app import create_app
from tests.api.web import MakeServices

TOKEN, CLIENT = "f" * 64, "203.0.113.7"


async def _logged(
    make_services: MakeServices,
    access_log: list[bytes],
    peer: str,
    headers: dict[str, str],
    token: str | None = TOKEN,
) -> Any:
    services = make_services(trusted_proxies=("10.0.0.0/8", "fd00::/8"))
    app = create_app(services, proxy_token=token)
    transport = httpx.ASGITransport(app, client=(peer, 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://mobula.test") as client:
        assert (await client.get("/version", headers=headers)).status_code == 200
    return json.loads(access_log[-1])["client"]


@pytest.mark.parametrize(
    ("peer", "proved", "said", "client"),
    [
        pytest.param("192.0.2.1", False, CLIENT, "192.0.2.1", id="a stranger"),
        pytest.param("127.0.0.1", False, CLIENT, "127.0.0.1", id="this machine, not HAProxy"),
        pytest.param("127.0.0.1", True, CLIENT, CLIENT, id="HAProxy"),
        pytest.param("192.0.2.1", True, CLIENT, CLIENT, id="HAProxy of another node"),
        pytest.param("127.0.0.1", True, f"1.2.3.4, {CLIENT}", CLIENT, id="HAProxy appends"),
        pytest.param("127.0.0.1", True, f"{CLIENT}, 10.1.1.1", CLIENT, id="a proxy before it"),
        pytest.param("127.0.0.1", True, "10.2.2.2, 10.1.1.1", "10.2.2.2", id="proxies alone"),
        pytest.param("10.1.1.1", False, f"1.2.3.4, {CLIENT}", CLIENT, id="a trusted proxy"),
        pytest.param("fd00::5", False, CLIENT, CLIENT, id="a trusted proxy of IPv6"),
        pytest.param("::ffff:10.1.1.1", False, CLIENT, CLIENT, id="IPv4 in IPv6"),
        pytest.param("10.1.1.1", False, "<script>", "10.1.1.1", id="no address"),
        pytest.param("10.1.1.1", False, f"{CLIENT}:80", "10.1.1.1", id="a port"),
        pytest.param("10.1.1.1", False, ",".join([CLIENT] * 9000), CLIENT, id="very many"),
        pytest.param("testclient", False, CLIENT, None, id="no peer's address"),
    ],
)
async def test_the_access_log_has_the_address_that_holds(
    make_services: MakeServices,
    access_log: list[bytes],
    peer: str,
    proved: bool,
    said: str,
    client: str | None,
) -> None:
    headers = {"X-Forwarded-For": said, **({TOKEN_HEADER: TOKEN} if proved else {})}

    assert await _logged(make_services, access_log, peer, headers) == client


@pytest.mark.parametrize("guess", ["", "f" * 63, "F" * 64, TOKEN + " x"])
async def test_a_wrong_token_proves_nothing(
    make_services: MakeServices, access_log: list[bytes], guess: str
) -> None:
    headers = {"X-Forwarded-For": CLIENT, TOKEN_HEADER: guess}

    assert await _logged(make_services, access_log, "127.0.0.1", headers) == "127.0.0.1"


async def test_without_a_token_of_the_cluster_nobody_is_haproxy(
    make_services: MakeServices, access_log: list[bytes]
) -> None:
    headers = {"X-Forwarded-For": CLIENT, TOKEN_HEADER: ""}

    found = await _logged(make_services, access_log, "127.0.0.1", headers, token=None)
    assert found == "127.0.0.1"
