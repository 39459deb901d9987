"""Detects silent audio tracks, from samples all over a recording. Runs in a child.

A track is audible as soon as one sample is loud enough, so a recording with sound costs one frame
of each track. Only silent tracks are decoded in every window.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import av  # noqa: TID253 (runs as a child only)
import numpy as np
from av.stream import Discard  # noqa: TID253 (runs as a child only)

from deployments.sandbox.inputs import open_media

WINDOWS = 24
WINDOW_S = 5.0  # of each window; up to two minutes, a recording is decoded completely
MIN_PEAK = 10 ** (-60 / 20)  # of full scale; quieter sound counts as silence
CPU_S, WALL_S = 6.0, 15.0  # then the pending tracks stay unknown
_INTERLEAVE_S = 3.0  # tracks are interleaved by less


def silences(name: str, indices: Sequence[int], duration: float) -> dict[int, bool]:
    """By stream: whether it is silent. Tracks that could not be decoded, or not within CPU_S and
    WALL_S, are omitted."""
    if not indices or duration <= 0:
        return {}
    with open_media(name) as container:
        for stream in container.streams:
            stream.discard = Discard.default if stream.index in indices else Discard.all
        scan = _TrackScan([container.streams[index] for index in indices])
        with suppress(av.FFmpegError, ValueError):
            _decode_windows(container, scan, duration)
    return {index: index in scan.pending for index in indices if scan.is_known(index)}


class _TrackScan:
    """The state of the scan: `pending` tracks without a loud sample so far, and the decoded seconds
    of each track."""

    def __init__(self, streams: Sequence[Any]) -> None:
        self.pending = {stream.index: stream for stream in streams}
        self._decoded_s: dict[int, float] = {}
        self._cpu, self._wall = time.process_time(), time.monotonic()
        self.is_timed_out = False

    def is_known(self, index: int) -> bool:
        """A track is known to be audible, or to be silent if it was scanned completely."""
        return index not in self.pending or (index in self._decoded_s and not self.is_timed_out)

    def is_done(self) -> bool:
        """Whether no track is pending, or time is up."""
        used = (time.process_time() - self._cpu) / CPU_S, (time.monotonic() - self._wall) / WALL_S
        self.is_timed_out = self.is_timed_out or max(used) > 1
        return not self.pending or self.is_timed_out

    def push(self, index: int, frame: Any) -> float:
        """The duration of the frame in seconds."""
        duration = float(frame.samples / max(1, frame.sample_rate))
        self._decoded_s[index] = self._decoded_s.get(index, 0.0) + duration
        if _peak(frame) > MIN_PEAK:
            self.pending.pop(index, None)
        return duration


def _decode_windows(container: Any, scan: _TrackScan, duration: float) -> None:
    start = (container.start_time or 0) / av.time_base
    if duration <= WINDOWS * WINDOW_S:
        _decode_window(container, scan, start, duration)
        return
    for window_start in _window_starts(duration):
        if scan.is_done():
            return
        container.seek(int((start + window_start) * av.time_base))
        _decode_window(container, scan, start + window_start, WINDOW_S)


def _decode_window(container: Any, scan: _TrackScan, window_start: float, window: float) -> None:
    """`window` seconds of every pending track, from `window_start` on."""
    remaining = dict.fromkeys(scan.pending, window)
    for packet in container.demux(*scan.pending.values()):
        index = packet.stream_index
        is_past = (
            packet.pts is not None
            and packet.pts * packet.time_base > window_start + window + _INTERLEAVE_S
        )
        if is_past or not remaining or scan.is_done():
            return
        if index not in remaining:
            continue
        for frame in _decode(packet):
            remaining[index] -= scan.push(index, frame)
        if remaining[index] <= 0 or index not in scan.pending:
            del remaining[index]


def _decode(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except (av.FFmpegError, ValueError):
        return []


def _window_starts(duration: float) -> Iterator[float]:
    """All over the recording, the first ones far apart."""
    step = 7  # coprime to PLACES
    for number in range(WINDOWS):
        yield duration * (number * step % WINDOWS) / WINDOWS


def _peak(frame: Any) -> float:
    """The largest sample as a share of full scale."""
    samples = frame.to_ndarray()
    if samples.size == 0:
        return 0.0
    if samples.dtype.kind == "f":
        return float(np.nanmax(np.abs(samples), initial=0.0))
    centred = samples.astype(np.float64)
    if samples.dtype.kind == "u":  # centred on half scale
        centred -= 2 ** (8 * samples.dtype.itemsize - 1)
    return float(np.abs(centred).max()) / 2 ** (8 * samples.dtype.itemsize - 1)
