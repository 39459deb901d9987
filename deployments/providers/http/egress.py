"""Which addresses upstreams may be connected to: public ones, and private ones of named hosts.

In: a base URL of the operator's, and the names under `egress.private_hosts`. Out: an `Endpoint`,
and connections to addresses that were checked when they were made. Proxies of the environment are
not used.
"""

import asyncio
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from cluster.net.first_connection import connect_to_first
from cluster.net.ssrf import ParsedUrl, SsrfGuard, UnsafeUrl
from cluster.net.tls import trusted_authorities
from deployments.providers.http.connection import HttpConnection
from deployments.providers.http.exchange import HttpFault
from deployments.providers.http.limits import HttpLimits

_MAX_ADDRESSES = 4  # of one name that are tried


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL in parts. `path` has no slash at its end, `host_header` the port where it is not
    the scheme's own."""

    location: ParsedUrl
    path: str
    host_header: str
    is_private: bool

    @property
    def host(self) -> str:
        return self.location.host


def parse_endpoint(base_url: str, private_hosts: Collection[str]) -> Endpoint:
    """`private_hosts` are names or addresses. Raises UnsafeUrl, which says what to change."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    is_private = host in {name.strip("[]").lower() for name in private_hosts}
    try:
        location = SsrfGuard(is_private).check(base_url, "base_url")
    except UnsafeUrl as unsafe:
        if is_private:
            raise
        reason = unsafe.extensions["reason"]
        hint = "a host of your own network has to be named in egress.private_hosts"
        raise UnsafeUrl(f"{reason}; {hint}", "base_url") from None
    if parts.query:
        raise UnsafeUrl("may not hold a query; use `query`", "base_url")
    return Endpoint(location, parts.path.rstrip("/"), parts.netloc, is_private)


class Egress:
    """Makes connections for all upstreams of a process."""

    def __init__(
        self,
        private_hosts: Collection[str],
        tls: ssl.SSLContext | None = None,
        public: SsrfGuard | None = None,
        private: SsrfGuard | None = None,
    ) -> None:
        """`private_hosts` are names or addresses, in lower case; `tls` has the trusted CAs
        (None: those of cluster/net/tls.py)."""
        self._private_hosts = frozenset(private_hosts)
        self._tls = tls
        self._public = public or SsrfGuard()
        self._private = private or SsrfGuard(private_hosts=True)

    def endpoint(self, base_url: str) -> Endpoint:
        """Raises UnsafeUrl."""
        endpoint = parse_endpoint(base_url, self._private_hosts)
        if endpoint.location.scheme == "https" and self._tls is None:
            self._tls = trusted_authorities()
        return endpoint

    async def connect(self, endpoint: Endpoint, limits: HttpLimits) -> HttpConnection:
        """A new connection to a checked address. Raises HttpFault and TimeoutError."""
        guard = self._private if endpoint.is_private else self._public
        try:
            target = await guard.target(endpoint.location.url, "base_url")
        except UnsafeUrl as unsafe:
            reason = f"cannot be connected to: {unsafe.extensions['reason']}"
            raise HttpFault(reason, unreachable=True) from None
        left = list(target.addresses[:_MAX_ADDRESSES])
        while left:
            try:
                accepted, address = await connect_to_first(left, endpoint.location.port)
            except OSError:
                break
            try:
                return await self._open(endpoint, accepted, limits)
            except ssl.SSLError:
                reason = "has no certificate that is trusted for its name"
                raise HttpFault(reason, unreachable=True) from None
            except OSError:  # one that accepts connections and breaks them
                left.remove(address)
        raise HttpFault("cannot be connected to", unreachable=True)

    async def _open(
        self, endpoint: Endpoint, accepted: socket.socket, limits: HttpLimits
    ) -> HttpConnection:
        is_tls = endpoint.location.scheme == "https"
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: HttpConnection(limits),
            sock=accepted,
            ssl=self._tls if is_tls else None,
            server_hostname=endpoint.host if is_tls else None,
        )
        return connection

    def close(self) -> None:
        self._public.close()
        self._private.close()
