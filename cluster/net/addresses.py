"""Which IP addresses are public, and what the others are.

Flows in: an address. Flows out: None for a public one, or what it is instead. The ranges are
IANA's special-purpose registries (RFC 6890) and the addresses where clouds keep their metadata.
An IPv6 address that carries an IPv4 one is judged by what it carries.
"""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address


class Reach(StrEnum):
    """What a forbidden address is. Private installs may allow those that `is_private`."""

    LOOPBACK = "a loopback address"
    PRIVATE = "an address of a private network"
    SHARED = "an address behind carrier-grade NAT"
    LINK_LOCAL = "a link-local address"
    METADATA = "a cloud's metadata service"
    MULTICAST = "a multicast address"
    UNSPECIFIED = "an unspecified address"
    RESERVED = "a reserved address"
    TUNNEL = "an address of an IPv4 tunnel"

    @property
    def is_private(self) -> bool:
        return self in (Reach.LOOPBACK, Reach.PRIVATE, Reach.SHARED)


_V4: tuple[tuple[IPv4Network, Reach], ...] = tuple(
    (IPv4Network(network), reach)
    for network, reach in (
        ("100.100.100.200/32", Reach.METADATA),  # Alibaba
        ("168.63.129.16/32", Reach.METADATA),  # Azure's wire server, in public space
        ("192.0.0.192/32", Reach.METADATA),  # Oracle
        ("0.0.0.0/8", Reach.UNSPECIFIED),
        ("10.0.0.0/8", Reach.PRIVATE),
        ("100.64.0.0/10", Reach.SHARED),
        ("127.0.0.0/8", Reach.LOOPBACK),
        ("169.254.0.0/16", Reach.LINK_LOCAL),
        ("172.16.0.0/12", Reach.PRIVATE),
        ("192.0.0.0/24", Reach.RESERVED),
        ("192.0.2.0/24", Reach.RESERVED),
        ("192.88.99.0/24", Reach.TUNNEL),
        ("192.168.0.0/16", Reach.PRIVATE),
        ("198.18.0.0/15", Reach.RESERVED),
        ("198.51.100.0/24", Reach.RESERVED),
        ("203.0.113.0/24", Reach.RESERVED),
        ("224.0.0.0/4", Reach.MULTICAST),
        ("240.0.0.0/4", Reach.RESERVED),
    )
)
_V6: tuple[tuple[IPv6Network, Reach], ...] = tuple(
    (IPv6Network(network), reach)
    for network, reach in (
        ("fd00:ec2::/32", Reach.METADATA),  # Amazon
        ("fd20:ce::/32", Reach.METADATA),  # Google
        ("::/128", Reach.UNSPECIFIED),
        ("::1/128", Reach.LOOPBACK),
        ("64:ff9b:1::/48", Reach.TUNNEL),
        ("2001::/32", Reach.TUNNEL),  # Teredo
        ("2001::/23", Reach.RESERVED),
        ("2001:db8::/32", Reach.RESERVED),
        ("2002::/16", Reach.TUNNEL),  # 6to4
        ("3fff::/20", Reach.RESERVED),
        ("fc00::/7", Reach.PRIVATE),
        ("fe80::/10", Reach.LINK_LOCAL),
        ("fec0::/10", Reach.PRIVATE),
        ("ff00::/8", Reach.MULTICAST),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_CARRIERS = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))  # mapped; NAT64


def forbidden(address: Address) -> Reach | None:
    """What makes `address` not public, or None."""
    if isinstance(address, IPv4Address):
        return next((reach for network, reach in _V4 if address in network), None)
    if address.scope_id is not None:
        return Reach.LINK_LOCAL
    if any(address in network for network in _CARRIERS):
        return forbidden(IPv4Address(int(address) & 0xFFFFFFFF))
    found = next((reach for network, reach in _V6 if address in network), None)
    return found or (None if address in _GLOBAL_V6 else Reach.RESERVED)
