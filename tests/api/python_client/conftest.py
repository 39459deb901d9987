"""The Python client over the application, blocking and on the event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import isasyncgen
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from mobula_client import AsyncMobula, Mobula
from tests.api.web import ADMIN_KEY

URL = "http://mobula.test"
Client = AsyncMobula | Mobula
MakeClient = Callable[..., Client]


class BlockingTransport(httpx.BaseTransport):
    """Has requests of another thread answered by an asynchronous transport on `loop`."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._transport, self._loop = transport, loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        sent = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.read(),
            extensions=request.extensions,
        )
        response = await self._transport.handle_async_request(sent)
        if response.is_stream_consumed:  # made with its content
            return response
        content = b"".join([block async for block in response.aiter_raw()])
        return httpx.Response(response.status_code, headers=response.headers, content=content)


async def call(client: Client, method: str, *arguments: Any, **options: Any) -> Any:
    """What a method returns; of a stream, the list of its items."""
    if isinstance(client, Mobula):
        return await asyncio.to_thread(_blocking_call, client, method, arguments, options)
    result = getattr(client, method)(*arguments, **options)
    if isasyncgen(result):
        return [item async for item in result]
    return await result


def _blocking_call(client: Mobula, method: str, arguments: Any, options: Any) -> Any:
    result = getattr(client, method)(*arguments, **options)
    return list(result) if isinstance(result, Iterator) else result


@pytest.fixture(params=["async", "blocking"])
async def make_client(request: pytest.FixtureRequest) -> AsyncIterator[MakeClient]:
    """Makes a client over an asynchronous transport."""
    loop = asyncio.get_running_loop()
    opened: list[Callable[[], Awaitable[None]]] = []

    def make(transport: httpx.AsyncBaseTransport, key: str = ADMIN_KEY, **options: Any) -> Client:
        if request.param == "async":
            http = httpx.AsyncClient(transport=transport)
            opened.append(http.aclose)
            return AsyncMobula(URL, key, http=http, **options)
        blocking = BlockingTransport(transport, loop)
        return Mobula(URL, key, http=httpx.Client(transport=blocking), **options)

    yield make
    for close in opened:
        await close()


def transport_of(app: ASGIApp) -> httpx.ASGITransport:
    return httpx.ASGITransport(app, raise_app_exceptions=False)


@pytest.fixture
def mobula(make_client: MakeClient, app: ASGIApp) -> Client:
    return make_client(transport_of(app))
