"""Trusted authorities are read once, whoever connects."""

import ssl
from collections.abc import Iterator

import httpx
import pytest

from cluster.net.ssrf import SsrfGuard
from cluster.net.tls import trusted_authorities
from cluster.net.transport import PinnedTransport
from deployments.providers.http.egress import Egress


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ssl.SSLContext]]:
    made: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def counted() -> ssl.SSLContext:
        made.append(create())
        return made[-1]

    trusted_authorities.cache_clear()
    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    yield made
    trusted_authorities.cache_clear()


async def test_webhooks_downloads_and_upstreams_share_the_authorities(
    readings: list[ssl.SSLContext],
) -> None:
    for _ in range(2):
        await PinnedTransport(SsrfGuard()).aclose()
        egress = Egress(())
        egress.endpoint("https://api.example.com/v1")
        egress.close()

    assert len(readings) == 1


async def test_upstreams_without_tls_read_none(readings: list[ssl.SSLContext]) -> None:
    egress = Egress({"localhost"})
    egress.endpoint("http://localhost:8000/v1")
    egress.close()

    assert readings == []
