"""Refuses requests whose Host header names a host that is not served here (DNS rebinding)."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.runtime.problems import UntrustedHost

PROBES = frozenset({"/healthz", "/readyz"})  # asked by address, and they tell nothing


class TrustedHosts:
    """`allowed` are host names without port; `*.example.com` takes any subdomain, `*` any host.

    Probes are answered whatever they name.
    """

    def __init__(self, app: ASGIApp, allowed: Sequence[str]) -> None:
        self._app = app
        self._any = "*" in allowed
        self._exact = frozenset(host.lower() for host in allowed if not host.startswith("*."))
        self._suffixes = tuple(host[1:].lower() for host in allowed if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in PROBES and not self.is_trusted(scope):
            raise UntrustedHost(f"Host '{_host(scope)[:100]}' is not served here.")
        await self._app(scope, receive, send)

    def is_trusted(self, scope: Scope) -> bool:
        """Whether the host that an HTTP scope names is served here."""
        if self._any:
            return True
        host = _host(scope)
        return host in self._exact or bool(self._suffixes and host.endswith(self._suffixes))


def _host(scope: Scope) -> str:
    value = next((v for name, v in scope["headers"] if name == b"host"), b"").decode("latin-1")
    if value.startswith("["):  # an IPv6 literal
        return value.partition("]")[0][1:].lower()
    return value.partition(":")[0].lower()
