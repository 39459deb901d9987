"""Sandboxed child: decodes a track to 16 kHz mono, signed 16 bit. A request in, a file out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import numpy as np
from numpy.typing import NDArray

from deployments.decoding.audio_timeline import RATE, TimelineAudio
from deployments.sandbox.child import run_child
from deployments.sandbox.errors import NoMedia
from deployments.sandbox.inputs import open_media


def decode(request: dict[str, Any]) -> dict[str, Any]:
    """Writes the samples from `start` to `end` of the source to `out`; answers the second of the
    source at which they begin, and their number."""
    first, last = request["start"], request["end"]
    written = 0
    with open_media(request["name"]) as container, Path(request["out"]).open("wb") as out:
        audio = TimelineAudio(container, _track(container, request["stream"]), last)
        position = 0  # of the next sample, from the track's start
        for samples in _mono(audio):
            begins = audio.start + position / RATE
            position += samples.size
            skip = max(0, round((first - begins) * RATE))
            keep = max(0, round((last - begins) * RATE))
            wanted = samples[skip:keep]
            written += wanted.size
            out.write((np.clip(wanted, -1.0, 1.0) * 32767).astype("<i2").tobytes())
            if keep < samples.size:
                break
    return {"start": max(first, audio.start), "samples": written, "errors": audio.errors}


def _track(container: Any, stream: int | None) -> Any:
    tracks = [each for each in container.streams if each.type == "audio"]
    for track in tracks:
        if stream is None or track.index == stream:
            return track
    raise NoMedia("The recording has no sound." if stream is None else "It has no such sound.")


def _mono(audio: TimelineAudio) -> Iterator[NDArray[np.float32]]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    for block in audio.blocks():
        frame = av.AudioFrame.from_ndarray(mixed(block)[None], format="flt", layout="mono")
        frame.sample_rate = audio.rate
        for part in resampler.resample(frame):
            yield part.to_ndarray()[0]
    if audio.channels:
        for part in resampler.resample(None):
            yield part.to_ndarray()[0]


def mixed(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the channels; the loudest one alone where they cancel each other, as two of
    opposite polarity do."""
    mean = block.mean(axis=0)
    if block.shape[0] == 1:
        return mean
    power = np.square(block).mean(axis=1)
    if np.square(mean).mean() >= power.max() / (2 * block.shape[0]) ** 2:
        return mean
    return block[int(power.argmax())]


if __name__ == "__main__":
    run_child(decode)
