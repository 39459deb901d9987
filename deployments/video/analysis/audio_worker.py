"""Sandboxed child: analyses a recording's sound. A request in, a file of values per hop out.

One pass, block by block: the memory of a long recording is that of its values alone.
"""

from pathlib import Path
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import numpy as np
from numpy.typing import NDArray

from deployments.decoding.audio_timeline import TimelineAudio
from deployments.sandbox.child import run_child
from deployments.sandbox.inputs import open_media
from deployments.video.analysis.arrays import write
from deployments.video.analysis.audio_features import (
    RATE,
    BlockSums,
    SpectrumAnalyzer,
    speech_probability,
)

PER_S = 100
SILENT_DB = -120.0

Block = NDArray[np.float32]  # channels, samples
Arrays = dict[str, NDArray[np.float32]]


def analyze_audio(request: dict[str, Any]) -> dict[str, Any]:
    """Writes level, speech and novelty to `request["out"]`."""
    with open_media(request["name"]) as container:
        stream = container.streams[request["stream"]]
        audio = TimelineAudio(container, stream, request["duration"])
        analyzer: _AudioAnalyzer | None = None
        for block in audio.blocks():
            analyzer = analyzer or _AudioAnalyzer(audio.rate)
            analyzer.push(block)
    write(Path(request["out"]), _empty_arrays() if analyzer is None else analyzer.finish())
    return {"start": audio.start, "hop_s": 1 / PER_S, "errors": audio.errors}


class _AudioAnalyzer:
    """All measures of the sound, block by block."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._power = BlockSums(rate, PER_S)
        self._spectrum = SpectrumAnalyzer()
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)

    def push(self, block: Block) -> None:
        self._power.push(np.square(block).mean(axis=0))
        frame = av.AudioFrame.from_ndarray(block.mean(axis=0)[None], format="flt", layout="mono")
        frame.sample_rate = self._rate
        self._push_resampled(self._resampler.resample(frame))

    def finish(self) -> Arrays:
        self._push_resampled(self._resampler.resample(None))
        level = self._level()
        frames = self._spectrum.finish(level.size)
        speech = speech_probability(frames, level)
        return {"level": level, "speech": speech, "novelty": frames.novelty}

    def _push_resampled(self, frames: list[Any]) -> None:
        for frame in frames:
            self._spectrum.push(frame.to_ndarray()[0])

    def _level(self) -> NDArray[np.float32]:
        length = self._rate / PER_S
        power = np.array(self._power.complete) / length
        rest, count = self._power.remainder()
        if count >= length / 2:
            power = np.append(power, rest / count)
        least = 10 ** (SILENT_DB / 10)
        return (10 * np.log10(np.maximum(power, least))).astype(np.float32)


def _empty_arrays() -> Arrays:
    return {name: np.zeros(0, np.float32) for name in ("level", "speech", "novelty")}


if __name__ == "__main__":
    run_child(analyze_audio)
