"""Which addresses are public: a table of what is not, by range and by disguise."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.net.addresses import AddressScope, non_public_scope

NOT_PUBLIC = [
    ("127.0.0.1", AddressScope.LOOPBACK),
    ("127.255.255.254", AddressScope.LOOPBACK),
    ("0.0.0.0", AddressScope.UNSPECIFIED),
    ("0.1.2.3", AddressScope.UNSPECIFIED),
    ("10.0.0.1", AddressScope.PRIVATE),
    ("172.16.0.1", AddressScope.PRIVATE),
    ("172.31.255.255", AddressScope.PRIVATE),
    ("192.168.1.1", AddressScope.PRIVATE),
    ("100.64.0.1", AddressScope.SHARED),
    ("100.127.255.255", AddressScope.SHARED),
    ("169.254.169.254", AddressScope.LINK_LOCAL),
    ("100.100.100.200", AddressScope.METADATA),
    ("168.63.129.16", AddressScope.METADATA),
    ("192.0.0.192", AddressScope.METADATA),
    ("192.0.0.8", AddressScope.RESERVED),
    ("192.0.2.7", AddressScope.RESERVED),
    ("198.18.0.1", AddressScope.RESERVED),
    ("198.51.100.1", AddressScope.RESERVED),
    ("203.0.113.1", AddressScope.RESERVED),
    ("192.88.99.1", AddressScope.TUNNEL),
    ("224.0.0.1", AddressScope.MULTICAST),
    ("239.255.255.255", AddressScope.MULTICAST),
    ("240.0.0.1", AddressScope.RESERVED),
    ("255.255.255.255", AddressScope.RESERVED),
    ("::", AddressScope.UNSPECIFIED),
    ("::1", AddressScope.LOOPBACK),
    ("::7f00:1", AddressScope.RESERVED),  # IPv4-compatible
    ("::ffff:127.0.0.1", AddressScope.LOOPBACK),
    ("::ffff:10.0.0.1", AddressScope.PRIVATE),
    ("::ffff:169.254.169.254", AddressScope.LINK_LOCAL),
    ("64:ff9b::10.0.0.1", AddressScope.PRIVATE),
    ("64:ff9b::169.254.169.254", AddressScope.LINK_LOCAL),
    ("64:ff9b:1::1", AddressScope.TUNNEL),
    ("2002:7f00:1::", AddressScope.TUNNEL),  # 6to4 of 127.0.0.1
    ("2002:a9fe:a9fe::1", AddressScope.TUNNEL),
    ("2001:0:53aa:64c::1", AddressScope.TUNNEL),  # Teredo
    ("2001:2::1", AddressScope.RESERVED),
    ("2001:10::1", AddressScope.RESERVED),
    ("2001:db8::1", AddressScope.RESERVED),
    ("3fff::1", AddressScope.RESERVED),
    ("100::1", AddressScope.RESERVED),
    ("5f00::1", AddressScope.RESERVED),
    ("fc00::1", AddressScope.PRIVATE),
    ("fd12:3456::1", AddressScope.PRIVATE),
    ("fd00:ec2::254", AddressScope.METADATA),
    ("fd20:ce::254", AddressScope.METADATA),
    ("fe80::1", AddressScope.LINK_LOCAL),
    ("fe80::1%eth0", AddressScope.LINK_LOCAL),
    ("2606:4700::1%eth0", AddressScope.LINK_LOCAL),
    ("fec0::1", AddressScope.PRIVATE),
    ("ff02::1", AddressScope.MULTICAST),
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:200::1",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize(("text", "reach"), NOT_PUBLIC)
def test_an_address_that_is_not_public_is_called_what_it_is(text: str, reach: AddressScope) -> None:
    assert non_public_scope(ip_address(text)) is reach


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_allowed(text: str) -> None:
    assert non_public_scope(ip_address(text)) is None


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_that_the_standard_library_calls_private_is_allowed(
    address: IPv4Address,
) -> None:
    if not address.is_global or address.is_multicast:
        assert non_public_scope(address) is not None


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_that_the_standard_library_calls_private_is_allowed(
    address: IPv6Address,
) -> None:
    if address.ipv4_mapped is None and (not address.is_global or address.is_multicast):
        assert non_public_scope(address) is not None


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_the_same(address: IPv4Address) -> None:
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        clothed = IPv6Address(int(IPv6Address(prefix)) + int(address))
        assert non_public_scope(clothed) is non_public_scope(address)


def test_only_loopback_private_and_shared_addresses_may_be_lifted_by_a_private_install() -> None:
    lifted = {reach for reach in AddressScope if reach.is_private}
    assert lifted == {AddressScope.LOOPBACK, AddressScope.PRIVATE, AddressScope.SHARED}
