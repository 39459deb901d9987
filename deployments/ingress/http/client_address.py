"""Who is at the other end: the client's address and scheme, whatever stands in between.

Flows in: the connection's own address, and what HAProxy or a trusted proxy says of the client.
Flows out: `scope["client"]` and `scope["scheme"]` that hold, without the headers that said so.
HAProxy proves itself by a token (cluster/ops/haproxy_token.py), because others may reach a
replica's port too; a proxy in front of it is trusted by its network (MOBULA_TRUSTED_PROXIES).
"""

import hmac
from collections.abc import Iterable, MutableMapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.ops.haproxy_configuration import TOKEN_HEADER

Address = IPv4Address | IPv6Address

LONGEST = 45  # characters of an IPv6 address
MOST_HOPS = 20  # of X-Forwarded-For, from its end

_TOKEN = TOKEN_HEADER.encode()
_FOR, _PROTO = b"x-forwarded-for", b"x-forwarded-proto"
_OTHERS = frozenset(
    (
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
    )
)
_SECURE = {"http": "https", "ws": "wss"}


def client_address(scope: MutableMapping[str, Any]) -> str:
    """The client's IP address in its usual form, or "" where it is not known. What access log,
    audit and throttle use; `ClientAddress` has checked it."""
    client = scope.get("client")
    return "" if client is None else str(client[0])


class ClientAddress:
    """The outermost layer. `proxy_token` None: nobody is believed to be HAProxy."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str], proxy_token: str | None) -> None:
        """`trusted` are networks such as 10.0.0.0/8; raises ValueError for anything else."""
        self._app = app
        self._networks = tuple(ip_network(each) for each in trusted)
        self._token = None if proxy_token is None else proxy_token.encode()
        self._trusts = lru_cache(maxsize=4096)(self._in_a_network)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            self._settle(scope)
        await self._app(scope, receive, send)

    def _settle(self, scope: Scope) -> None:
        kept: list[tuple[bytes, bytes]] = []
        hops: list[bytes] = []
        proto: bytes | None = None
        through_haproxy = False
        for header in scope["headers"]:
            name, value = header
            if name == _FOR:
                hops.append(value)
            elif name == _PROTO:
                proto = value
            elif name == _TOKEN:
                through_haproxy |= self._token is not None and hmac.compare_digest(
                    value, self._token
                )
            elif not (name in _OTHERS or name.startswith(b"x-forwarded-")):
                kept.append(header)
        scope["headers"] = kept
        client = scope.get("client")
        peer = parse_address(str(client[0])) if client else None
        if through_haproxy or (peer is not None and self._trusts(peer)):
            said = self._client_of(hops, None if through_haproxy else peer)
            scope["client"] = None if said is None else (str(said), 0)
            if proto == b"https":
                scope["scheme"] = _SECURE.get(scope["scheme"], scope["scheme"])
        else:
            scope["client"] = None if client is None or peer is None else (str(peer), client[1])

    def _client_of(self, hops: Iterable[bytes], nearest: Address | None) -> Address | None:
        """The first from the end that is no trusted proxy; each proxy appends whom it sees."""
        found = nearest
        said = b",".join(hops).decode("latin-1").split(",")
        for text in reversed(said[-MOST_HOPS:]):
            address = parse_address(text.strip())
            if address is None:
                break  # whoever wrote that is the last who is known
            found = address
            if not self._trusts(address):
                break
        return found

    def _in_a_network(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """An address without port, brackets or zone; one of IPv4 in IPv6's form is that of IPv4."""
    if len(text) > LONGEST or "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
