"""What ends a link, or keeps it from being used. None of them reaches a caller: see pool.py.

`LinkFault` and its subclasses are faults of the peer's bytes. The link ends with them; its calls
end with `ReplicaLost`.
"""


class LinkError(Exception):
    """A link cannot be used, or has ended."""


class LinkFault(LinkError):
    """The peer sent what the protocol does not allow."""


class FramingFault(LinkFault):
    """The bytes are no frames: a length over the limit, or a payload that is no message."""


class UnsupportedVersion(FramingFault):
    """The version byte of a frame is another one."""


class ProtocolFault(LinkFault):
    """A frame that must not come now: before the handshake, beyond the credit, of an unknown
    call."""


class HandshakeRefused(LinkError):
    """The peer does not know the secret of this link, or its time is over."""


class LinkClosed(LinkError):
    """The link has ended, or takes no new calls."""


class PeerSilent(LinkError):
    """Nothing came from the peer for longer than it is given."""


class MessageTooLarge(LinkError):
    """A message is over the peer's limit. Nothing of it was sent; the link goes on."""
