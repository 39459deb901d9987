"""Guard against server-side request forgery: a tenant's URL may only reach public hosts.

In: a tenant's URL. Out: a `ResolvedUrl` with checked addresses to connect to, so that DNS cannot
change in between (DNS rebinding); or UnsafeUrl. Ambiguous URLs, which parsers may read differently,
are refused. Sends nothing.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from cluster.net.addresses import Address, non_public_scope
from cluster.runtime.problems import InvalidRequest

MAX_URL = 2_000
MAX_HOST = 253
RESOLVE_S = 5.0
RESOLVER_THREADS = 16  # dedicated, so that a hanging name server does not block other work
DEFAULT_PORTS = {"https": 443, "http": 80}

Resolve = Callable[[str, int], Awaitable[list[str]]]

_URL = re.compile(r"([a-z]+)://([^/?#]*)([/?][^#]*)?", re.ASCII)
_PORT = re.compile(r":([0-9]{1,5})$", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_V4 = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}", re.ASCII)


class UnsafeUrl(InvalidRequest):
    """The URL must not be requested; `reason` explains it."""

    slug, title = "unsafe-url", "The URL may not be reached"

    def __init__(self, reason: str, param: str = "url") -> None:
        super().__init__(f"{param}: {reason}.", param=param, reason=reason)


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A parsed URL; `host` is lower case, an IPv6 address without brackets."""

    url: str
    scheme: str
    host: str
    port: int
    address: Address | None  # if the host is an address


@dataclass(frozen=True, slots=True)
class ResolvedUrl:
    """A URL with its checked addresses in the resolver's order."""

    location: ParsedUrl
    addresses: tuple[Address, ...]


class SsrfGuard:
    """Decides which URLs may be requested.

    With `private_hosts` (MOBULA_WEBHOOKS_PRIVATE_HOSTS) plain http, every port, and loopback and
    private addresses are allowed; link-local, metadata, multicast and reserved ones never are.
    """

    def __init__(self, private_hosts: bool = False, resolve: Resolve | None = None) -> None:
        self._private = private_hosts
        self._threads: ThreadPoolExecutor | None = None
        self._resolve = resolve or self._resolve_by_system

    def check(self, url: str, param: str = "url") -> ParsedUrl:
        """Checks everything except DNS. Raises UnsafeUrl."""
        try:
            location = _parse_url(url)
            self._check_policy(location)
            if location.address is not None:
                self._check_address(location.address, literal=True)
        except UnsafeUrl as unsafe:
            raise UnsafeUrl(unsafe.extensions["reason"], param) from None
        return location

    async def target(self, url: str, param: str = "url") -> ResolvedUrl:
        """Checks the URL, resolves it once, checks every address. Raises UnsafeUrl."""
        location = self.check(url, param)
        if location.address is not None:
            return ResolvedUrl(location, (location.address,))
        try:
            addresses = await self._addresses(location)
            for address in addresses:
                self._check_address(address, literal=False)
        except UnsafeUrl as unsafe:
            raise UnsafeUrl(unsafe.extensions["reason"], param) from None
        return ResolvedUrl(location, addresses)

    def close(self) -> None:
        """Shuts the resolver threads down without waiting."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _check_policy(self, location: ParsedUrl) -> None:
        if self._private:
            return
        if location.scheme != "https":
            raise UnsafeUrl("must be https")
        if location.port != 443 and location.port < 1024:
            raise UnsafeUrl(f"port {location.port} is not allowed; use 443 or 1024 to 65535")
        if location.address is None and "." not in location.host:
            raise UnsafeUrl("the host must be a full domain name")

    def _check_address(self, address: Address, *, literal: bool) -> None:
        """Checks an address; the reason for a name is vague, to reveal no internal network."""
        reach = non_public_scope(address)
        if reach is None or (self._private and reach.is_private):
            return
        if literal:
            raise UnsafeUrl(f"the host is {reach}")
        raise UnsafeUrl("the host resolves to an address that is not public")

    async def _addresses(self, location: ParsedUrl) -> tuple[Address, ...]:
        try:
            async with asyncio.timeout(RESOLVE_S):
                texts = await self._resolve(location.host, location.port)
            addresses = tuple(dict.fromkeys(ip_address(text) for text in texts))
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise UnsafeUrl("the host does not resolve") from error
        if not addresses:
            raise UnsafeUrl("the host does not resolve")
        return addresses

    async def _resolve_by_system(self, host: str, port: int) -> list[str]:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(RESOLVER_THREADS, "resolver")
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        entries: list[Any] = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [entry[4][0] for entry in entries]


def _parse_url(url: str) -> ParsedUrl:
    if len(url) > MAX_URL:
        raise UnsafeUrl(f"has {len(url)} characters; the limit is {MAX_URL}")
    if not all("!" <= character <= "~" for character in url) or "\\" in url:
        raise UnsafeUrl(
            "may hold only printable ASCII without spaces or backslashes; write an international "
            "name in its xn-- form"
        )
    parts = _URL.fullmatch(url)
    if parts is None:
        raise UnsafeUrl("must read https://host/path, in lower case up to the host, no fragment")
    scheme, authority = parts[1], parts[2]
    if scheme not in DEFAULT_PORTS:
        raise UnsafeUrl("must be https")
    if "@" in authority:
        raise UnsafeUrl("may not hold a user name or password")
    host, port = _host_and_port(authority, DEFAULT_PORTS[scheme])
    address = _parse_address(host)
    return ParsedUrl(url, scheme, host.strip("[]").lower(), port, address)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    match = _PORT.search(authority)
    host = authority[: match.start()] if match else authority
    port = int(match[1]) if match else default
    if not 1 <= port <= 65535:
        raise UnsafeUrl(f"port {port} is not between 1 and 65535")
    return host, port


def _parse_address(host: str) -> Address | None:
    """The address if the host is one, None for a domain name. Raises UnsafeUrl otherwise."""
    if host.startswith("["):
        return _ipv6(host)
    name = host.lower()
    if _V4.fullmatch(name):
        return _ipv4(name)
    labels = name.split(".")
    if len(name) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("the host is not a valid domain name or address")
    if _NUMERIC.fullmatch(labels[-1]):
        raise UnsafeUrl("an IPv4 address must be four decimal numbers, such as 192.0.2.1")
    return None


def _ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise UnsafeUrl("the host is not a valid IPv4 address") from None


def _ipv6(host: str) -> IPv6Address:
    try:
        address = IPv6Address(host[1:-1] if host.endswith("]") else "")
    except ValueError:
        raise UnsafeUrl("the host is not a valid IPv6 address") from None
    if address.scope_id is not None:
        raise UnsafeUrl("an IPv6 address may not name a zone")
    return address
