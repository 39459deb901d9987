"""Tells whether a recording is encrypted, as what shops and broadcasters sell is. Runs in a child.

Without its key such a recording decodes to noise, or to nothing. The demuxer marks each packet of
Common Encryption (ISO/IEC 23001-7).
"""

from deployments.sandbox.inputs import open_media

_MARK = "encryption_info"
_PACKETS = 256  # that are looked at, until one of each stream was


def is_encrypted(name: str) -> bool:
    """Of the recording `name` in the working folder, by the first packet of each stream."""
    with open_media(name) as container:
        unseen = {stream.index for stream in container.streams}
        for count, packet in enumerate(container.demux()):
            if packet.has_sidedata(_MARK):
                return True
            unseen.discard(packet.stream.index)
            if not unseen or count >= _PACKETS:
                break
    return False
