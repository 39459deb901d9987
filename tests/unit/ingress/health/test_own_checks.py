"""The operator's own checks: what they reach, and what they may not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.net.ssrf import SsrfGuard, UnsafeUrl
from deployments.ingress.health.config import OwnCheckSpec
from deployments.ingress.health.own_checks import OwnCheck


@asynccontextmanager
async def answering(head: bytes) -> AsyncIterator[int]:
    """The port of a server that answers every request with this head."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def spec(url: str, **changes: int | bool) -> OwnCheckSpec:
    fields = {"is_private": True, **changes}
    return OwnCheckSpec("vectors", url, "No search.", **fields)  # type: ignore[arg-type]


async def outcome(spec: OwnCheckSpec, guard: SsrfGuard | None = None) -> tuple[str, str]:
    check = OwnCheck(spec, guard)
    try:
        found = await check()
    finally:
        await check.close()
    return found.state.value, found.detail


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (b"204 No Content", ("up", "")),
        (b"302 Found\r\nLocation: http://169.254.169.254/", ("up", "")),
        (b"503 Service Unavailable", ("down", "answered 503")),
    ],
)
async def test_an_answer_is_judged_by_its_status_and_no_redirect_is_followed(
    status: bytes, found: tuple[str, str]
) -> None:
    async with answering(b"HTTP/1.1 " + status) as port:
        assert await outcome(spec(f"http://127.0.0.1:{port}/ready")) == found


async def test_the_healthy_statuses_can_be_chosen() -> None:
    async with answering(b"HTTP/1.1 401 Unauthorized") as port:
        asked = spec(f"http://127.0.0.1:{port}/", first_status=401, last_status=401)
        assert await outcome(asked) == ("up", "")


async def test_a_tcp_check_connects_and_sends_nothing() -> None:
    async with answering(b"") as port:
        assert await outcome(spec(f"tcp://127.0.0.1:{port}")) == ("up", "")

    assert (await outcome(spec(f"tcp://127.0.0.1:{port}")))[0] == "down"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6379/",
        "tcp://127.0.0.1:6379",
        "tcp://10.0.0.5:5432",
        "https://169.254.169.254/",
        "http://vectors.example.com/",
        "tcp://vectors.example.com",
        "https://user:password@vectors.example.com/",
        "file:///etc/passwd",
    ],
)
def test_what_is_not_public_is_refused_unless_its_host_is_named(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        OwnCheck(spec(url, is_private=False))


def test_metadata_addresses_are_refused_even_where_they_are_named() -> None:
    with pytest.raises(UnsafeUrl):
        OwnCheck(spec("tcp://169.254.169.254:80"))


async def test_a_name_that_leads_to_a_private_address_is_not_connected_to() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.5"]

    for url in ("https://vectors.example.com/", "tcp://vectors.example.com:443"):
        state, detail = await outcome(spec(url, is_private=False), SsrfGuard(resolve=resolve))
        assert (state, "not public" in detail) == ("down", True)
