"""Connections to upstreams: kept, bounded, checked."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from cluster.net.ssrf import SsrfGuard, UnsafeUrl
from cluster.runtime.problems import Overloaded
from deployments.providers.http.egress import Egress, parse_endpoint
from deployments.providers.http.exchange import HttpFault
from deployments.providers.http.limits import HttpLimits
from deployments.providers.http.pool import ConnectionPool, PoolExhausted
from tests.contract.providers.calls import LOCAL, model, provider_models
from tests.contract.providers.polling import until
from tests.upstream_server.requests import chat_request
from tests.upstream_server.server import UpstreamServer
from tests.upstream_server.transport_faults import answers_twice, hangs_before_head

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


def pool_of(server: UpstreamServer, **limits: float) -> ConnectionPool:
    endpoint = parse_endpoint(server.url, (LOCAL,))
    return ConnectionPool(Egress((LOCAL,)), endpoint, HttpLimits(**limits))  # type: ignore[arg-type]


async def exchange(pool: ConnectionPool, timeout_s: float = 5.0) -> bytes:
    deadline = asyncio.get_running_loop().time() + timeout_s
    connection, answer = await pool.send(REQUEST, 1 << 20, deadline, timeout_s)
    body = b""
    while not answer.ended:
        body += await answer.piece(deadline)
    body += answer.take()
    pool.release(connection, answer)
    return body


async def test_a_connection_is_used_again() -> None:
    async with UpstreamServer() as server:
        pool = pool_of(server)
        assert await exchange(pool) == await exchange(pool)
        pool.close()

        assert (server.opened, pool.made, pool.reused) == (1, 1, 1)


async def test_a_request_is_sent_once_more_where_a_kept_connection_was_closed() -> None:
    async with UpstreamServer() as server:
        pool = pool_of(server)
        await exchange(pool)
        await server.kill()
        await server.start()

        assert await exchange(pool)
        pool.close()


async def test_a_new_connection_that_is_closed_is_not_tried_again() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(close, LOCAL, 0)
    port = listener.sockets[0].getsockname()[1]
    endpoint = parse_endpoint(f"http://{LOCAL}:{port}", (LOCAL,))
    pool = ConnectionPool(Egress((LOCAL,)), endpoint, HttpLimits())

    with pytest.raises(HttpFault, match="without an answer"):
        await exchange(pool)

    assert pool.made == 1
    listener.close()


async def test_more_requests_than_connections_wait_and_then_give_up() -> None:
    async with UpstreamServer(hangs_before_head) as server:
        pool = pool_of(server, connections=1, connect_s=0.1)
        first = asyncio.ensure_future(exchange(pool, 2.0))
        await until(lambda: pool.made == 1)

        with pytest.raises(PoolExhausted):
            await exchange(pool)

        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert pool.open == 0


async def test_a_connection_that_is_given_back_goes_to_a_waiting_request() -> None:
    async with UpstreamServer() as server:
        pool = pool_of(server, connections=2)
        await asyncio.gather(*[exchange(pool) for _ in range(20)])
        pool.close()

        assert server.opened <= 2


async def test_an_abandoned_exchange_closes_its_connection() -> None:
    async with UpstreamServer(hangs_before_head) as server:
        pool = pool_of(server)
        with pytest.raises(TimeoutError):
            await exchange(pool, 0.1)

        assert pool.open == 0
        await until(lambda: not server.open)


async def test_bytes_that_no_request_asked_for_close_the_connection() -> None:
    async with UpstreamServer() as server:
        server.next.append(answers_twice)
        pool = pool_of(server)
        await exchange(pool)
        await exchange(pool)
        pool.close()

        assert server.opened == 2


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with UpstreamServer() as server:
        pool = pool_of(server, keep_s=0.05)
        await exchange(pool)
        await until(lambda: not pool.open)


async def test_the_models_connections_are_bounded_together() -> None:
    async with UpstreamServer(hangs_before_head) as server:
        settings = model(
            server.url, max_connections=1, timeouts={"connect_s": 0.1}, resilience={"retries": 0}
        )
        async with provider_models(settings) as providers:
            served = providers.models["m"]
            first = asyncio.ensure_future(served.generate(chat_request(timeout_s=3)))
            await until(lambda: bool(server.requests))
            with pytest.raises(Overloaded, match="connections"):
                await served.generate(chat_request())
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)


async def test_a_call_that_is_abandoned_costs_an_estimate_once_it_was_sent() -> None:
    async with UpstreamServer(hangs_before_head) as server:
        settings = model(server.url, max_connections=1)
        async with provider_models(settings) as providers:
            sent, waiting = [providers.models["m"].begin(chat_request()) for _ in range(2)]
            tasks = [asyncio.ensure_future(sent.generate())]
            await until(lambda: bool(server.requests))
            tasks.append(asyncio.ensure_future(waiting.generate()))
            await until(lambda: providers.models["m"].caller.counts.submitted == 2)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

            assert waiting.settlement() is None
            settlement = sent.settlement()
            assert settlement is not None
            usage = await settlement
            assert usage.is_estimated
            assert usage.prompt_tokens > 0


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/v1", "https://127.0.0.1/v1", "http://example.com/v1",
     "https://localhost/v1", "https://169.254.169.254/", "https://user:pass@example.com/v1",
     "https://example.com/v1?key=1", "ftp://example.com/", "https://10.0.0.1/v1"],
)  # fmt: skip
def test_a_host_that_is_not_named_has_to_be_public_and_https(url: str) -> None:
    with pytest.raises(UnsafeUrl):
        parse_endpoint(url, ("other.example",))


def test_metadata_addresses_are_refused_even_where_they_are_named() -> None:
    with pytest.raises(UnsafeUrl):
        parse_endpoint("http://169.254.169.254/latest", ("169.254.169.254",))


async def test_a_name_that_resolves_to_a_private_address_is_not_connected_to() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.1.2.3"]

    endpoint = parse_endpoint("https://api.example.com/v1", ())
    egress = Egress((), public=SsrfGuard(resolve=resolve))

    with pytest.raises(HttpFault, match="not public"):
        await egress.connect(endpoint, HttpLimits())


@contextmanager
def deaf(port: int) -> Iterator[str]:
    """An address of this machine whose port drops the packets of whoever connects: its backlog is
    full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))
        yield "127.0.0.2"


def pool_of_name(server: UpstreamServer, *addresses: str, **limits: float) -> ConnectionPool:
    """To the server's port at a name that has these addresses."""

    async def resolve(host: str, port: int) -> list[str]:
        return [*addresses]

    egress = Egress(("up.internal",), private=SsrfGuard(private_hosts=True, resolve=resolve))
    endpoint = egress.endpoint(f"http://up.internal:{server.port}/v1")
    return ConnectionPool(egress, endpoint, HttpLimits(**limits))  # type: ignore[arg-type]


async def test_an_address_that_drops_packets_holds_the_others_up_for_a_moment() -> None:
    async with UpstreamServer() as server:
        with deaf(server.port) as first:
            pool = pool_of_name(server, first, LOCAL)

            assert await exchange(pool)
            pool.close()


async def test_the_time_for_a_connection_is_for_all_addresses_together() -> None:
    async with UpstreamServer() as server:
        with deaf(server.port) as only:
            pool = pool_of_name(server, only, connect_s=0.2)

            with pytest.raises(HttpFault, match="in time"):
                await exchange(pool)

            assert pool.open == 0
            pool.close()


async def test_addresses_where_nobody_listens_are_passed_over() -> None:
    async with UpstreamServer() as server:
        pool = pool_of_name(server, "::1", "127.0.0.2", LOCAL)
        assert await exchange(pool)
        pool.close()

        nobody = pool_of_name(server, "::1", "127.0.0.2")
        with pytest.raises(HttpFault, match="cannot be connected to"):
            await exchange(nobody)
        assert nobody.open == 0
