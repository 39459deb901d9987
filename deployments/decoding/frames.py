"""Decodes one stream and skips what is damaged: packets in, frames and a count of errors out.

For sandboxed children only.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only

MAX_ERRORS = 10_000


def first_second(container: Any) -> Fraction:
    """The time stamp, in seconds, that is second 0 of the source's timeline."""
    return Fraction(container.start_time or 0, av.time_base)


class FrameDecoder:
    """`errors` counts packets that could not be read or decoded, and frames that are damaged after
    the first intact one; one fault may count twice. `ends` is the time stamp at which the last
    packet's picture or sound ends; None: no packet has one."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container, self._stream = container, stream
        self._has_intact_frame = False
        self.errors = 0
        self.ends: int | None = None

    def seek(self, pts: int) -> None:
        """To the keyframe at or before `pts`; if that fails, to the start."""
        try:
            self._container.seek(pts, stream=self._stream)
        except av.FFmpegError:
            self._container.seek(0)

    def frames(self) -> Iterator[Any]:
        """In order of presentation."""
        for packet in self._packets():
            try:
                frames = self._stream.decode(packet)
            except (av.FFmpegError, ValueError):
                self.errors += 1
                continue
            for frame in frames:
                self._count_damage(frame)
                yield frame

    def _packets(self) -> Iterator[Any]:
        """Until the end, or until reading fails; then None, which flushes the decoder."""
        packets = self._container.demux(self._stream)
        while self.errors < MAX_ERRORS:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError):
                self.errors += 1
                packet = None
            if packet is None or packet.size == 0:
                break
            self.errors += packet.is_corrupt
            if packet.pts is not None and not packet.is_corrupt:
                self.ends = max(self.ends or 0, packet.pts + int(packet.duration or 0))
            yield packet
        yield None

    def _count_damage(self, frame: Any) -> None:
        if not frame.is_corrupt:
            self._has_intact_frame = True
        elif self._has_intact_frame:
            self.errors += 1
