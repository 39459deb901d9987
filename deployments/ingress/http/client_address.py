"""The client's address and scheme, whatever proxies are in between.

In: the connection's own address, and what HAProxy or a trusted proxy says of the client. Out:
`scope["client"]` and `scope["scheme"]` that can be trusted, without the headers that named them.
HAProxy proves its identity by a token (cluster/ops/haproxy_token.py), because others may reach a
replica's port too; a proxy in front of it is trusted by its network (MOBULA_TRUSTED_PROXIES).
"""

import hmac
from collections.abc import Collection, Iterable, MutableMapping, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.ops.haproxy_configuration import TOKEN_HEADER

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_ADDRESS = 45  # characters of an IPv6 address
MAX_HOPS = 20  # of X-Forwarded-For, from its end

# Of the ASGI scope, where a trusted peer has sent the request: X-Forwarded-For as HAProxy sent it,
# or None for another trusted proxy, which is then the sender.
FORWARDED_FOR = "mobula_forwarded_for"

_TOKEN = TOKEN_HEADER.encode()
_FORWARDED, _FOR, _PROTO = b"x-forwarded-", b"x-forwarded-for", b"x-forwarded-proto"
_OTHER_ADDRESS_HEADERS = frozenset(
    (
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
    )
)
_SECURE_SCHEMES = {"http": "https", "ws": "wss"}


def client_address(scope: MutableMapping[str, Any]) -> str:
    """The client's IP address in its usual form, or "" where it is not known.

    For audit and throttling; `ClientAddress` has verified it.
    """
    client = scope.get("client")
    return "" if client is None else str(client[0])


def is_sender_trusted(scope: Scope, networks: Collection[Network]) -> bool:
    """Whether what sent the request to this cluster is in one of `networks`."""
    if FORWARDED_FOR not in scope:
        return False
    hops = scope[FORWARDED_FOR]
    if hops is None:
        return True
    address = parse_address(hops.rpartition(b",")[2].decode("latin-1").strip())
    return address is not None and any(address in network for network in networks)


class ClientAddress:
    """The outermost layer. `proxy_token` None: no peer is taken for HAProxy."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str], proxy_token: str | None) -> None:
        """`trusted` are networks such as 10.0.0.0/8; raises ValueError for anything else."""
        self._app = app
        self._networks = tuple(ip_network(network) for network in trusted)
        self._token = None if proxy_token is None else proxy_token.encode()
        self._is_trusted = lru_cache(maxsize=4096)(self._is_in_trusted_network)
        # Of short texts only: what a client sends must not fill the memory.
        self._known_client_of = lru_cache(maxsize=4096)(self._client_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        passed_on, forwarded, tokens = [], [], []
        for header in scope["headers"]:
            name, value = header
            if name == _TOKEN:
                tokens.append(value)
            elif name.startswith(_FORWARDED):
                forwarded.append(header)
            elif name not in _OTHER_ADDRESS_HEADERS:
                passed_on.append(header)
        scope["headers"] = passed_on
        client = scope.get("client")
        peer = parse_address(str(client[0])) if client else None
        is_from_haproxy = bool(tokens) and self._has_token(tokens)
        if is_from_haproxy or (peer is not None and self._is_trusted(peer)):
            hops = b",".join([value for name, value in forwarded if name == _FOR])
            scope[FORWARDED_FOR] = hops if is_from_haproxy else None
            find = self._known_client_of if len(hops) <= MAX_ADDRESS else self._client_of
            text = find(hops, None if is_from_haproxy else peer)
            scope["client"] = None if text is None else (text, 0)
            if dict(forwarded).get(_PROTO) == b"https":
                scope["scheme"] = _SECURE_SCHEMES.get(scope["scheme"], scope["scheme"])
        else:
            scope["client"] = None if client is None or peer is None else (str(peer), client[1])
        await self._app(scope, receive, send)

    def _has_token(self, values: Iterable[bytes]) -> bool:
        token = self._token
        return token is not None and any(hmac.compare_digest(value, token) for value in values)

    def _client_of(self, hops: bytes, peer: Address | None) -> str | None:
        """The first address from the end that is no trusted proxy; each proxy appends its peer."""
        client = peer
        for hop in reversed(hops.decode("latin-1").split(",")[-MAX_HOPS:]):
            address = parse_address(hop.strip())
            if address is None:
                break  # the proxy that wrote this is the last known address
            client = address
            if not self._is_trusted(address):
                break
        return None if client is None else str(client)

    def _is_in_trusted_network(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """An address without port, brackets or zone; IPv4 for an IPv4-mapped IPv6 address."""
    if len(text) > MAX_ADDRESS or "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
