"""The duration of a recording: the header's, checked against the last packets. Runs in a child."""

from itertools import islice
from typing import Any

import av  # noqa: TID253 (runs as a child only)

from deployments.sandbox.inputs import open_media

TAIL_PACKETS = 20_000
_SEEK_END_US = 10**13
_LONGEST_GAP_S = 60.0


def measure_duration(name: str) -> float:
    """Seconds from the container's start: the header's, unless it is missing or shorter than the
    recording; then all packets are read."""
    with open_media(name) as container:
        start = (container.start_time or 0) / av.time_base
        last_end = last_packet_end(container)
        header_s = resolve_duration((container.duration or 0) / av.time_base, start, last_end)
    if header_s > 0 and last_end <= header_s + max(0.1, 0.05 * header_s):
        return header_s
    with open_media(name) as container:
        return max(header_s, scan_duration(container))


def resolve_duration(header_s: float, start: float, last_end: float) -> float:
    """Some containers (Matroska) count the duration from time 0, wherever they start: that reading
    is used if it fits the last packets better."""
    shorter = header_s - start
    return (
        shorter if shorter > 0 and abs(shorter - last_end) < abs(header_s - last_end) else header_s
    )


def last_packet_end(container: Any) -> float:
    """Where the last packets end; 0 if the container cannot seek."""
    start = (container.start_time or 0) / av.time_base
    last = 0.0
    try:
        container.seek(_SEEK_END_US)
        for packet in islice(container.demux(*av_streams(container)), TAIL_PACKETS):
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                last = max(last, float(end) - start)
    except av.FFmpegError:
        return last
    return last


def scan_duration(container: Any) -> float:
    """The longest stream's duration, without jumps of over a minute."""
    spans: dict[int, float] = {}
    previous: dict[int, float] = {}
    try:
        for packet in container.demux(*av_streams(container)):
            if packet.dts is None:
                continue
            index, now = packet.stream_index, float(packet.dts * packet.time_base)
            duration = float((packet.duration or 0) * packet.time_base)
            step = now - previous.get(index, now)
            if not 0 <= step <= _LONGEST_GAP_S:
                step = duration
            spans[index] = spans.get(index, min(duration, _LONGEST_GAP_S)) + step
            previous[index] = now
    except av.FFmpegError:
        pass
    return max(spans.values(), default=0.0)


def av_streams(container: Any) -> list[Any]:
    return [*container.streams.video, *container.streams.audio]


def since_start(container: Any, stream: Any) -> float:
    """When the stream starts, in seconds from the container's start."""
    if stream.start_time is None:
        return 0.0
    start = (container.start_time or 0) / av.time_base
    return round(float(stream.start_time * stream.time_base) - start, 6) + 0.0  # no minus zero
