"""Telling systemd that a service is ready (sd_notify): one datagram to the socket it names."""

import contextlib
import socket

from cluster.runtime.settings import process_environment


def notify(text: str) -> None:
    """Such as `READY=1`. Does nothing where nobody wants to know."""
    address = process_environment().get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
    ):
        out.sendto(text.encode(), address)
