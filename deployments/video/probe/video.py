"""The picture of a video stream, from its first packets and one decoded frame.

Runs in a child. Pictures are described in display space: upright, with square pixels.
"""

from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any

import av  # noqa: TID253 (runs as a child only)
import numpy as np

from deployments.contracts.media import Hdr, VideoTrack
from deployments.sandbox.errors import MediaDamaged, MediaTooLarge
from deployments.video.probe.duration import since_start

HEAD_PACKETS = 300
PICTURE_PACKETS = 1_200
_MAX_REORDERED = 16  # the maximum number of pictures that H.264 and HEVC reorder
_TRANSFERS: dict[int, Hdr] = {16: "pq", 18: "hlg"}  # ITU-T H.273, table 3
_MAX_SAR = Fraction(10)


@dataclass(slots=True)
class StreamHead:
    """`times` are those of the first packets, in seconds; `picture` is the first decoded frame."""

    times: list[float] = field(default_factory=list)
    picture: Any = None


def video_track(container: Any, stream: Any, limits: dict[str, Any]) -> dict[str, Any]:
    """Raises MediaTooLarge (max_pixels) before decoding, MediaDamaged if nothing can be decoded."""
    context = stream.codec_context
    pixels = context.width * context.height
    if pixels > limits["max_pixels"]:
        raise MediaTooLarge("max_pixels", limits["max_pixels"], pixels)
    start = since_start(container, stream)
    head = read_head(container, stream)
    picture = head.picture
    if picture is None:
        raise MediaDamaged("No picture could be decoded.")
    sar = pixel_aspect_ratio(stream.sample_aspect_ratio)
    rotation = round(-picture.rotation / 90) * 90 % 360
    width, height = display_size(picture.width, picture.height, sar, rotation)
    track = VideoTrack(
        index=stream.index,
        codec=context.codec.canonical_name,
        width=width,
        height=height,
        coded_width=picture.width,
        coded_height=picture.height,
        rotation=rotation,
        sar=sar,
        fps=frame_rate(stream, head, limits["max_fps"]),
        vfr=is_variable_rate(head, stream),
        frames=stream.frames or None,
        pixel_format=picture.format.name,
        bits=max(part.bits for part in picture.format.components),
        hdr=_TRANSFERS.get(int(context.color_trc), "sdr"),
        interlaced=bool(picture.interlaced_frame),
        start=start,
    )
    return {**asdict(track), "sar": str(track.sar), "fps": str(track.fps)}


def read_head(container: Any, stream: Any) -> StreamHead:
    """Packets until HEAD_PACKETS are read and one frame is decoded."""
    head = StreamHead()
    packets = islice(container.demux(stream), PICTURE_PACKETS)
    while head.picture is None or len(head.times) < HEAD_PACKETS:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            packet = None
        if packet is None:
            return head
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            head.times.append(float(time * packet.time_base))
        if head.picture is None:
            head.picture = _decode_first(packet)
    return head


def _decode_first(packet: Any) -> Any:
    try:
        return next(iter(packet.decode()), None)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError):
        return None


def pixel_aspect_ratio(sar: Fraction | None) -> Fraction:
    """The pixels' aspect ratio; an implausible one is taken for damage: square."""
    if not sar or not 1 / _MAX_SAR <= sar <= _MAX_SAR:
        return Fraction(1)
    return sar


def display_size(width: int, height: int, sar: Fraction, rotation: int) -> tuple[int, int]:
    """The size of the picture as displayed: ffmpeg's `scale=iw*sar:ih`, then rotated."""
    display_width = max(1, round(width * sar))
    return (height, display_width) if rotation % 180 else (display_width, height)


def frame_rate(stream: Any, head: StreamHead, max_fps: float) -> Fraction:
    """Pictures a second on average: the header's, or if that is impossible, as measured."""
    header_rate = stream.average_rate or Fraction(0)
    if 0 < header_rate <= max_fps:
        return Fraction(header_rate)
    intervals = frame_interval(head)
    if intervals.size and intervals.mean() > 0:
        return Fraction(1 / float(intervals.mean())).limit_denominator(1001)
    return Fraction(header_rate or stream.guessed_rate or 25)


def is_variable_rate(head: StreamHead, stream: Any) -> bool:
    """Whether intervals vary by more than a tenth and than the clock's own rounding."""
    intervals = frame_interval(head)
    if intervals.size < 2:
        return False
    median = float(np.median(intervals))
    allowed = max(0.1 * median, 1.5 * float(stream.time_base))
    return bool(np.abs(intervals - median).max() > allowed)


def frame_interval(head: StreamHead) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Seconds between pictures in presentation order. The last ones read are left out if there are
    enough others: pictures shown before them may not have been read."""
    times = np.unique(np.asarray(head.times, dtype=np.float64))
    return np.diff(times[:-_MAX_REORDERED] if times.size > 3 * _MAX_REORDERED else times)
