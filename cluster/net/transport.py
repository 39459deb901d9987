"""HTTP to hosts that tenants name: every request goes to an address the guard checked.

Flows in: httpx requests. Flows out: httpx responses, from the very address that was checked, with
the name in the Host header and in TLS. Connections are not kept, because one kept for a name
would outlive its check, and the pool would give it to another name on the same address. Proxies of
the environment are not used.
"""

import ssl

import httpx

from cluster.net.addresses import Address
from cluster.net.ssrf import ResolvedUrl, SsrfGuard, UnsafeUrl

USER_AGENT = "Mobula-Webhooks/1"
MAX_TRIED = 4  # addresses of one name, however many its owner lists


class AnswerTooLarge(httpx.HTTPError):
    """The answer's body is over the limit; the rest was not read."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the answer is over {limit_bytes} bytes")


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to checked addresses only, trying each in turn until one accepts."""

    def __init__(
        self,
        guard: SsrfGuard,
        verify: ssl.SSLContext | bool = True,
        wire: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`verify` names the trusted authorities (default: httpx's); `wire` does the sending."""
        self._guard = guard
        unkept = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._wire = wire or httpx.AsyncHTTPTransport(verify=verify, limits=unkept)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises UnsafeUrl, or httpx's errors."""
        target = await self._guard.target(str(request.url))
        failure: httpx.TransportError | None = None
        for address in target.addresses[:MAX_TRIED]:
            try:
                return await self._wire.handle_async_request(_pinned(request, target, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or httpx.ConnectError("no address to connect to", request=request)

    async def aclose(self) -> None:
        await self._wire.aclose()
        self._guard.close()


def guarded_client(transport: PinnedTransport, timeout_s: float) -> httpx.AsyncClient:
    """A client that follows no redirects and keeps no cookies of one host for another.

    `timeout_s` bounds each step; give the whole exchange its own deadline.
    """
    return httpx.AsyncClient(
        transport=transport,
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
    )


async def read_at_most(response: httpx.Response, limit_bytes: int) -> bytes:
    """The body as it was sent, undecoded (so nothing can swell). Raises AnswerTooLarge."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limit_bytes:
            raise AnswerTooLarge(limit_bytes)
    return bytes(body)


def _pinned(request: httpx.Request, target: ResolvedUrl, address: Address) -> httpx.Request:
    """The same request, to the address; Host and SNI keep the name."""
    if request.url.raw_host.decode("ascii") != target.location.host:
        raise UnsafeUrl("the host can be read in two ways")
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.location.host},
    )
