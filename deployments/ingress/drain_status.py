"""Whether this replica has been told to go: `/readyz` turns before it stops taking requests.

Serve tells user code nothing until a replica has drained. But the server that a request came in by
answers `/-/healthz` itself, with 503 from the moment it is to go: it is asked over loopback. In the
plain profile that server is Serve's proxy, which says the same of its node. Who asks through a
balancer asks for all replicas, not for the one that happens to answer. Knows no Ray.
"""

import httpx

Server = tuple[str, int | None] | None  # as in an ASGI scope

_PATIENCE_S = 1.0


class DrainStatus:
    """One client, made when it is first needed; nothing to close but its idle connection."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._told = False

    async def is_draining(self, server: Server, host: str) -> bool:
        """`host` is the request's Host; False where that is not the server's own port. Where
        nobody answers for the server, what it said last holds: it listens no longer in its last
        moments, and never does under a test client."""
        if server is None or server[1] is None or not host.endswith(f":{server[1]}"):
            return False
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=_PATIENCE_S,
                trust_env=False,
                transport=self._transport,
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        host = f"[{server[0]}]" if ":" in server[0] else server[0]
        try:
            answer = await self._client.get(f"http://{host}:{server[1]}/-/healthz")
        except httpx.HTTPError:
            return self._told
        self._told = answer.status_code == 503
        return self._told
