"""TLS to upstreams: trusted authorities, and the name in the certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.net.ssrf import SsrfGuard
from deployments.providers.http.egress import Egress
from deployments.providers.http.exchange import HttpFault
from deployments.providers.http.limits import HttpLimits
from deployments.providers.http.pool import ConnectionPool
from tests.contract.haproxy.certificates import Authority

NAME = "mobula.test"  # as in the authority's certificates
REQUEST = b"GET /v1/models HTTP/1.1\r\nhost: mobula.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


class TlsServer:
    """Answers every request; `asked` are the names that clients asked for in TLS."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.asked: list[str | None] = []
        self.port = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain, key = folder / "chain.pem", folder / "key.pem"
        self.authority.issue("an upstream", chain, key)
        self._context.load_cert_chain(chain, key)
        self._context.sni_callback = lambda _, name, __: self.asked.append(name)

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TlsServer]:
    served = TlsServer(tmp_path)
    listener = await served.start()
    yield served
    listener.close()


async def ask(server: TlsServer, name: str, tls: ssl.SSLContext | None) -> bytes:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    egress = Egress((name,), tls, private=SsrfGuard(private_hosts=True, resolve=resolve))
    endpoint = egress.endpoint(f"https://{name}:{server.port}/v1")
    pool = ConnectionPool(egress, endpoint, HttpLimits())
    until = asyncio.get_running_loop().time() + 5
    try:
        connection, exchange = await pool.send(REQUEST, 1 << 16, until, 5)
        body = await exchange.piece(until)
        pool.release(connection, exchange)
        return body
    finally:
        pool.close()


async def test_an_upstream_of_a_trusted_authority_is_asked_by_its_name(server: TlsServer) -> None:
    tls = ssl.create_default_context(cafile=server.authority.file)

    assert await ask(server, NAME, tls) == b"{}"
    assert server.asked == [NAME]


async def test_the_authorities_of_the_system_do_not_know_it(server: TlsServer) -> None:
    with pytest.raises(HttpFault, match="certificate") as refused:
        await ask(server, NAME, None)

    assert refused.value.unreachable


async def test_a_certificate_of_another_name_is_refused(server: TlsServer) -> None:
    tls = ssl.create_default_context(cafile=server.authority.file)

    with pytest.raises(HttpFault, match="certificate"):
        await ask(server, "other.test", tls)
