"""Over real sockets and TLS: the name in the certificate, and receivers that misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from cluster.events.outbox import Event
from cluster.events.sender import DeliveryAttempt, Sender
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import SystemClock

NAME = "hooks.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EVENT = Event("evt_1", "acme", "key.revoked", 1_700_000_000.0, {"id": "abc"})
LIMIT_S = 1.0

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def to_this_machine(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One self-signed certificate and its key, for NAME alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.fromtimestamp(SystemClock().wall(), UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "server.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


class Server:
    """A TLS server that reads one request and then behaves as it is told."""

    def __init__(self, certificate: Path, behaviour: Behaviour) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self.port = 0
        self._behaviour = behaviour
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._context.sni_callback = lambda _, name, __: self.names.append(name)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self._behaviour(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def send(server: Server, certificate: Path, host: str = NAME) -> DeliveryAttempt:
    trusted = ssl.create_default_context(cafile=str(certificate))
    guard = SsrfGuard(private_hosts=True, resolve=to_this_machine)
    sender = Sender(PinnedTransport(guard, verify=trusted), SystemClock(), LIMIT_S)
    attempt = await sender.send(f"https://{host}:{server.port}/in", [b"k" * 32], EVENT)
    await sender.close()
    return attempt


def answering(*parts: bytes) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
        await writer.drain()

    return behave


def repeating(head: bytes, part: bytes, pause_s: float) -> Behaviour:
    """Go on for ever, until the other side has had enough."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return behave


async def test_the_certificate_is_checked_against_the_name_though_we_connect_by_address(
    certificate: Path,
) -> None:
    async with Server(certificate, answering(OK)).serving() as server:
        attempt = await send(server, certificate)
        stranger = await send(server, certificate, "other.example.com")

    assert attempt.delivered
    assert server.names == [NAME, "other.example.com"]
    assert f"host: {NAME}:{server.port}".encode() in server.requests[0].lower()
    assert (stranger.delivered, len(server.requests)) == (False, 1)
    assert "ConnectError" in str(stranger.error)


async def test_a_connection_is_never_reused_for_another_name_on_the_same_address(
    certificate: Path,
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    guard = SsrfGuard(private_hosts=True, resolve=to_this_machine)
    sender = Sender(PinnedTransport(guard, verify=trusted), SystemClock(), LIMIT_S)
    async with Server(certificate, answering(OK)).serving() as server:
        urls = [f"https://{host}:{server.port}/" for host in (NAME, "other.example.com", NAME)]
        attempts = [await sender.send(url, [b"k"], EVENT) for url in urls]
    await sender.close()

    assert [attempt.delivered for attempt in attempts] == [True, False, True]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        pytest.param(
            answering(b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n"),
            "answered 302; redirects are not followed",
            id="redirecting",
        ),
        pytest.param(repeating(b"", b"", 0.01), f"no answer within {LIMIT_S:g} s", id="silent"),
        pytest.param(
            repeating(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a", 0.05),
            f"no answer within {LIMIT_S:g} s",
            id="a byte now and then",
        ),
        pytest.param(
            repeating(b"HTTP/1.1 200 OK\r\n", b"X-Huge: " + b"a" * 4096 + b"\r\n", 0.0),
            "the connection failed (RemoteProtocolError)",
            id="endless headers",
        ),
        pytest.param(
            answering(b"nonsense\r\n\r\n"),
            "the connection failed (RemoteProtocolError)",
            id="not HTTP",
        ),
        pytest.param(answering(), "the connection failed (RemoteProtocolError)", id="hanging up"),
    ],
)
async def test_a_receiver_that_misbehaves_costs_at_most_the_time_limit(
    certificate: Path, behaviour: Behaviour, error: str
) -> None:
    async with Server(certificate, behaviour).serving() as server:
        attempt = await send(server, certificate)

    assert (attempt.delivered, attempt.error) == (False, error)
    assert attempt.took_s < LIMIT_S + 30.0  # the machine does other things, too


async def test_an_endless_body_is_not_read(certificate: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = repeating(head, b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 0.0)
    async with Server(certificate, endless).serving() as server:
        attempt = await send(server, certificate)

    assert attempt.delivered  # and no time limit ended it


async def test_nobody_listening_is_a_failed_connection(certificate: Path) -> None:
    async with Server(certificate, answering(OK)).serving() as server:
        pass
    attempt = await send(server, certificate)
    assert attempt.error == "the connection failed (ConnectError)"
