"""Whether this replica is draining, so that `/readyz` fails before the replica stops serving.

Serve does not notify user code until a replica has drained. But the server that a request came in
by answers `/-/healthz` itself, with 503 once it is to stop; it is queried over loopback. In the
plain profile that server is Serve's proxy, which answers for its node. A request through a load
balancer asks about all replicas, not about the one that answers. Imports no Ray.
"""

import httpx

Server = tuple[str, int | None] | None  # as in an ASGI scope

_TIMEOUT_S = 1.0


class DrainStatus:
    """One HTTP client, made on first use; it keeps no connection open."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._is_draining = False

    async def is_draining(self, server: Server, host: str) -> bool:
        """`host` is the request's Host; False if that is not the server's own port. If the server
        does not answer, its last answer holds: it stops listening before it ends, and a test client
        has no server at all."""
        if server is None or server[1] is None or not host.endswith(f":{server[1]}"):
            return False
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=_TIMEOUT_S,
                trust_env=False,
                verify=False,  # plain HTTP: no authorities are read
                transport=self._transport,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        host = f"[{server[0]}]" if ":" in server[0] else server[0]
        try:
            response = await self._client.get(f"http://{host}:{server[1]}/-/healthz")
        except httpx.HTTPError:
            return self._is_draining
        self._is_draining = response.status_code == 503
        return self._is_draining
