"""HAProxy with Serve's own configuration, completed by ours, before a replica's stand-in."""

from collections.abc import Iterator

import httpx
import pytest

from load_tests.benchmarks.common.haproxy_process import HAProxyProcess
from tests.contract.haproxy.replica import Replica

TRUSTED = "127.0.0.9/32"


@pytest.fixture(scope="module")
def replica() -> Iterator[Replica]:
    with Replica((TRUSTED,)) as replica:
        yield replica


@pytest.fixture(scope="module")
def haproxy(replica: Replica) -> Iterator[HAProxyProcess]:
    with HAProxyProcess(
        replica.port, MOBULA_TRUSTED_PROXIES=TRUSTED, MOBULA_HEADER_TIMEOUT_S="1"
    ) as haproxy:
        yield haproxy


@pytest.fixture
def client(haproxy: HAProxyProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=haproxy.url, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def trusted(haproxy: HAProxyProcess) -> Iterator[httpx.Client]:
    """Asks from an address that is a trusted proxy's."""
    transport = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(base_url=haproxy.url, timeout=10, transport=transport) as client:
        yield client
