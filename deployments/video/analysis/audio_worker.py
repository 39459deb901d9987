"""The child that listens to a recording's sound: a request in, a file of values per hop out.

Runs in the sandbox only. One pass, block by block, so that hours need no more memory than minutes
but for the values themselves.
"""

from pathlib import Path
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.arrays import write
from deployments.video.analysis.audio_features import RATE, SpectrumAnalyzer, speech_probability
from deployments.video.analysis.audio_timeline import TimelineAudio
from deployments.video.analysis.block_energy import BlockSums
from deployments.video.analysis.loudness import LoudnessMeter, weight
from deployments.video.sandbox.child import run_child
from deployments.video.sandbox.inputs import open_media

PER_S = 100
SILENT_DB = -120.0

Block = NDArray[np.float32]  # channels, samples


def analyze_audio(request: dict[str, Any]) -> dict[str, Any]:
    """Leaves level, speech and novelty in `request["out"]`."""
    with open_media(request["name"]) as container:
        stream = container.streams[request["stream"]]
        placed = TimelineAudio(container, stream, request["duration"])
        ear: _Ear | None = None
        for block in placed.blocks():
            ear = ear or _Ear(placed.rate, placed.channels)
            ear.push(block)
    arrays, loudness = (_nothing(), None) if ear is None else ear.finish()
    write(Path(request["out"]), arrays)
    return {
        "start": placed.start,
        "hop_s": 1 / PER_S,
        "loudness": loudness,
        "errors": placed.errors,
    }


class _Ear:
    """Everything that is measured on sound, block by block."""

    def __init__(self, rate: int, channels: tuple[str, ...]) -> None:
        self._rate = rate
        self._power = BlockSums(rate, PER_S)
        self._loudness = LoudnessMeter(rate, tuple(weight(channel) for channel in channels))
        self._listener = SpectrumAnalyzer()
        self._mono = av.AudioResampler(format="flt", layout="mono", rate=RATE)

    def push(self, block: Block) -> None:
        self._power.push(np.square(block).mean(axis=0))
        self._loudness.push(block)
        frame = av.AudioFrame.from_ndarray(block.mean(axis=0)[None], format="flt", layout="mono")
        frame.sample_rate = self._rate
        self._hear(self._mono.resample(frame))

    def finish(self) -> tuple[dict[str, NDArray[np.float32]], float | None]:
        self._hear(self._mono.resample(None))
        level = self._level()
        sounds = self._listener.finish(level.size)
        heard = {
            "level": level,
            "speech": speech_probability(sounds, level),
            "novelty": sounds.novelty,
        }
        return heard, self._loudness.integrated()

    def _hear(self, frames: list[Any]) -> None:
        for frame in frames:
            self._listener.push(frame.to_ndarray()[0])

    def _level(self) -> NDArray[np.float32]:
        length = self._rate / PER_S
        power = np.array(self._power.whole) / length
        rest, count = self._power.rest()
        if count >= length / 2:
            power = np.append(power, rest / count)
        least = 10 ** (SILENT_DB / 10)
        return (10 * np.log10(np.maximum(power, least))).astype(np.float32)


def _nothing() -> dict[str, NDArray[np.float32]]:
    return {name: np.zeros(0, np.float32) for name in ("level", "speech", "novelty")}


if __name__ == "__main__":
    run_child(analyze_audio)
