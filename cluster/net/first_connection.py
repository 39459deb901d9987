"""A connection to whichever of several checked addresses accepts one first.

In: addresses of one name. Out: a connected socket. An address that does not answer holds the next
one up for NEXT_ADDRESS_S only: "happy eyeballs", RFC 8305, by aiohappyeyeballs, which has asyncio's
algorithm for addresses that are known already.
"""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

from aiohappyeyeballs import AddrInfoType, start_connection

from cluster.net.addresses import Address

NEXT_ADDRESS_S = 0.25  # as RFC 8305 recommends


async def connect_to_first(
    addresses: Sequence[Address], port: int
) -> tuple[socket.socket, Address]:
    """The connection, and the one of `addresses` that it is to; families take turns. Raises OSError
    if none accepts."""
    if not addresses:
        raise OSError("no address")
    infos = [_address_info(address, port) for address in addresses]
    try:
        connected = await start_connection(infos, happy_eyeballs_delay=NEXT_ADDRESS_S)
    except RuntimeError as error:  # uvloop raises it for some
        raise OSError(str(error)) from None
    try:
        reached = ip_address(connected.getpeername()[0])
        return connected, next(each for each in addresses if each == reached)
    except (OSError, StopIteration):
        connected.close()
        raise OSError("the connection was lost at once") from None


def _address_info(address: Address, port: int) -> AddrInfoType:
    """As a resolver gives it."""
    is_v6 = address.version == 6
    end = (str(address), port, 0, 0) if is_v6 else (str(address), port)
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", end
