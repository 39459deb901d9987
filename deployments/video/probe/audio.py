"""Which audio tracks of a recording are silent, from samples all over it. Runs in a child.

A track is heard in as soon as one sample is loud enough, so a recording with sound costs a frame of
each track. Only silent tracks are listened to at every place.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import av  # noqa: TID253 (runs as a child only)
import numpy as np
from av.stream import Discard  # noqa: TID253 (runs as a child only)

from deployments.video.sandbox.inputs import open_media

PLACES = 24
WINDOW_S = 5.0  # listened to at each place; a recording of two minutes is heard whole
QUIETEST = 10 ** (-60 / 20)  # of full scale: below, sound is not told from none
CPU_S, WALL_S = 6.0, 15.0  # then the tracks that are left stay unknown
_PAST_S = 3.0  # tracks are interleaved by less


def silences(name: str, indices: Sequence[int], duration: float) -> dict[int, bool]:
    """By stream: whether nothing is heard in it. Without those that could not be listened to, or
    not to the end within CPU_S and WALL_S."""
    if not indices or duration <= 0:
        return {}
    with open_media(name) as container:
        for stream in container.streams:
            stream.discard = Discard.default if stream.index in indices else Discard.all
        samples = _Samples([container.streams[index] for index in indices])
        with suppress(av.FFmpegError, ValueError):
            _listen(container, samples, duration)
    return {index: index in samples.left for index in indices if samples.is_known(index)}


class _Samples:
    """What was heard so far: tracks `left` to be listened to, and seconds listened to of each."""

    def __init__(self, streams: Sequence[Any]) -> None:
        self.left = {stream.index: stream for stream in streams}
        self._heard: dict[int, float] = {}
        self._cpu, self._wall = time.process_time(), time.monotonic()
        self.is_late = False

    def is_known(self, index: int) -> bool:
        """A track is known to sound, or to be silent where it was listened to everywhere."""
        return index not in self.left or (index in self._heard and not self.is_late)

    def is_over(self) -> bool:
        """Whether nothing is left to be listened to, or no time for it."""
        used = (time.process_time() - self._cpu) / CPU_S, (time.monotonic() - self._wall) / WALL_S
        self.is_late = self.is_late or max(used) > 1
        return not self.left or self.is_late

    def push(self, index: int, frame: Any) -> float:
        """The length of the frame in seconds."""
        lasts = float(frame.samples / max(1, frame.sample_rate))
        self._heard[index] = self._heard.get(index, 0.0) + lasts
        if _peak(frame) > QUIETEST:
            self.left.pop(index, None)
        return lasts


def _listen(container: Any, samples: _Samples, duration: float) -> None:
    start = (container.start_time or 0) / av.time_base
    if duration <= PLACES * WINDOW_S:
        _listen_at(container, samples, start, duration)
        return
    for place in _places(duration):
        if samples.is_over():
            return
        container.seek(int((start + place) * av.time_base))
        _listen_at(container, samples, start + place, WINDOW_S)


def _listen_at(container: Any, samples: _Samples, place: float, window: float) -> None:
    """`window` seconds of every track that is left, from `place` on."""
    due = dict.fromkeys(samples.left, window)
    for packet in container.demux(*samples.left.values()):
        index = packet.stream_index
        late = packet.pts is not None and packet.pts * packet.time_base > place + window + _PAST_S
        if late or not due or samples.is_over():
            return
        if index not in due:
            continue
        for frame in _decoded(packet):
            due[index] -= samples.push(index, frame)
        if due[index] <= 0 or index not in samples.left:
            del due[index]


def _decoded(packet: Any) -> list[Any]:
    try:
        return list(packet.decode())
    except (av.FFmpegError, ValueError):
        return []


def _places(duration: float) -> Iterator[float]:
    """All over the recording, the first ones far apart."""
    step = 7  # coprime to PLACES
    for number in range(PLACES):
        yield duration * (number * step % PLACES) / PLACES


def _peak(frame: Any) -> float:
    """The largest sample as a share of full scale."""
    samples = frame.to_ndarray()
    if samples.size == 0:
        return 0.0
    if samples.dtype.kind == "f":
        return float(np.nanmax(np.abs(samples), initial=0.0))
    whole = samples.astype(np.float64)
    if samples.dtype.kind == "u":  # centred on half scale
        whole -= 2 ** (8 * samples.dtype.itemsize - 1)
    return float(np.abs(whole).max()) / 2 ** (8 * samples.dtype.itemsize - 1)
