"""Classifies IP addresses as public or by special-purpose range.

In: an address. Out: None for a public one, else its scope. The ranges are IANA's special-purpose
registries (RFC 6890) and the metadata addresses of clouds. An IPv6 address that embeds an IPv4
address has that address's scope.
"""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address


class AddressScope(StrEnum):
    """The scope of a non-public address; `is_private` ones may be allowed by a setting."""

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
        return self in (AddressScope.LOOPBACK, AddressScope.PRIVATE, AddressScope.SHARED)


_V4: tuple[tuple[IPv4Network, AddressScope], ...] = tuple(
    (IPv4Network(network), scope)
    for network, scope in (
        ("100.100.100.200/32", AddressScope.METADATA),  # Alibaba
        ("168.63.129.16/32", AddressScope.METADATA),  # Azure's wire server, in public space
        ("192.0.0.192/32", AddressScope.METADATA),  # Oracle
        ("0.0.0.0/8", AddressScope.UNSPECIFIED),
        ("10.0.0.0/8", AddressScope.PRIVATE),
        ("100.64.0.0/10", AddressScope.SHARED),
        ("127.0.0.0/8", AddressScope.LOOPBACK),
        ("169.254.0.0/16", AddressScope.LINK_LOCAL),
        ("172.16.0.0/12", AddressScope.PRIVATE),
        ("192.0.0.0/24", AddressScope.RESERVED),
        ("192.0.2.0/24", AddressScope.RESERVED),
        ("192.88.99.0/24", AddressScope.TUNNEL),
        ("192.168.0.0/16", AddressScope.PRIVATE),
        ("198.18.0.0/15", AddressScope.RESERVED),
        ("198.51.100.0/24", AddressScope.RESERVED),
        ("203.0.113.0/24", AddressScope.RESERVED),
        ("224.0.0.0/4", AddressScope.MULTICAST),
        ("240.0.0.0/4", AddressScope.RESERVED),
    )
)
_V6: tuple[tuple[IPv6Network, AddressScope], ...] = tuple(
    (IPv6Network(network), scope)
    for network, scope in (
        ("fd00:ec2::/32", AddressScope.METADATA),  # Amazon
        ("fd20:ce::/32", AddressScope.METADATA),  # Google
        ("::/128", AddressScope.UNSPECIFIED),
        ("::1/128", AddressScope.LOOPBACK),
        ("64:ff9b:1::/48", AddressScope.TUNNEL),
        ("2001::/32", AddressScope.TUNNEL),  # Teredo
        ("2001::/23", AddressScope.RESERVED),
        ("2001:db8::/32", AddressScope.RESERVED),
        ("2002::/16", AddressScope.TUNNEL),  # 6to4
        ("3fff::/20", AddressScope.RESERVED),
        ("fc00::/7", AddressScope.PRIVATE),
        ("fe80::/10", AddressScope.LINK_LOCAL),
        ("fec0::/10", AddressScope.PRIVATE),
        ("ff00::/8", AddressScope.MULTICAST),
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_IPV4_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))  # mapped; NAT64


def non_public_scope(address: Address) -> AddressScope | None:
    """The scope of a non-public address; None if it is public."""
    if isinstance(address, IPv4Address):
        return next((scope for network, scope in _V4 if address in network), None)
    if address.scope_id is not None:
        return AddressScope.LINK_LOCAL
    if any(address in network for network in _IPV4_EMBEDDING):
        return non_public_scope(IPv4Address(int(address) & 0xFFFFFFFF))
    scope = next((scope for network, scope in _V6 if address in network), None)
    return scope or (None if address in _GLOBAL_V6 else AddressScope.RESERVED)
