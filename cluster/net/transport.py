"""HTTP transport for tenants' URLs: connects only to addresses that the SSRF guard has checked.

In: httpx requests. Out: httpx responses from a checked address, with the name in the Host header
and in TLS. Connections are not reused, because a pooled connection would outlive its check and
could be used for another name on the same address. Proxies of the environment are not used.
"""

import ssl

import httpx

from cluster.net.addresses import Address
from cluster.net.ssrf import ResolvedUrl, SsrfGuard, UnsafeUrl
from cluster.net.tls import trusted_authorities

USER_AGENT = "Mobula-Webhooks/1"
MAX_ADDRESSES = 4  # addresses of one name that are tried
PATIENCE_S = 2.0  # with one that does not answer, while there is another; its first packet is sent
# again after a second


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connects to checked addresses only, in order until one accepts."""

    def __init__(
        self,
        guard: SsrfGuard,
        verify: ssl.SSLContext | None = None,
        wire: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`verify` are the trusted CAs (None: those of cluster/net/tls.py); `wire` is the transport
        that sends."""
        self._guard = guard
        no_keepalive = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._wire = wire or httpx.AsyncHTTPTransport(
            verify=verify or trusted_authorities(), limits=no_keepalive
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises UnsafeUrl, or httpx's errors."""
        target = await self._guard.target(str(request.url))
        failure: httpx.TransportError | None = None
        addresses = target.addresses[:MAX_ADDRESSES]
        for number, address in enumerate(addresses, 1):
            pinned = _pinned(request, target, address)
            if number < len(addresses):
                _hurry(pinned)
            try:
                return await self._wire.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or httpx.ConnectError("no address to connect to", request=request)

    async def aclose(self) -> None:
        await self._wire.aclose()
        self._guard.close()


def guarded_client(transport: PinnedTransport, timeout_s: float) -> httpx.AsyncClient:
    """A client that follows no redirects and uses no environment settings.

    `timeout_s` bounds each step; give the whole exchange its own deadline.
    """
    return httpx.AsyncClient(
        transport=transport,
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
    )


def _pinned(request: httpx.Request, target: ResolvedUrl, address: Address) -> httpx.Request:
    """The request with the address in its URL; Host and SNI keep the name."""
    if request.url.raw_host.decode("ascii") != target.location.host:
        raise UnsafeUrl("the host can be read in two ways")
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": target.location.host},
    )


def _hurry(request: httpx.Request) -> None:
    """Connect within PATIENCE_S, or what the request allows if that is less."""
    timeouts = request.extensions.get("timeout") or {}
    given = timeouts.get("connect")
    connect_s = PATIENCE_S if given is None else min(given, PATIENCE_S)
    request.extensions["timeout"] = {**timeouts, "connect": connect_s}
