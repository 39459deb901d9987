"""Made recordings: a talk whose words and sentences are known, and sounds in which nobody speaks.

A talk is spoken by Piper in an environment of its own (piper_program.py), sentence by sentence,
with pauses between them; white noise is added. Sounds are silence, noise and music from formulas.
"""

import json
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SOUNDS_EACH, SOUND_S = 20, 10.0  # of silence, noise and music
_ACTIVE = 0.02  # of the peak: where a sentence begins and ends
_PROGRAM = Path(__file__).with_name("piper_program.py")
_PAUSE_S = (0.3, 1.0)

Samples = NDArray[np.float32]

_WHO = ("my sister", "the baker", "our whole team", "the old captain", "every neighbour", "she")
_DID = ("opened", "painted", "borrowed", "carried home", "quietly sold", "repaired")
_WHAT = (
    "a small wooden boat", "the yellow window", "two baskets of apples", "the broken piano",
    "a letter from the mayor", "the last loaf of bread",
)  # fmt: skip
_WHERE = ("near the harbour", "behind the station", "in the middle of the night", "after breakfast")
_THEN = (
    "and nobody complained about it", "because the weather was so mild",
    "while the children were watching", "so the evening became a little longer",
    "but the garden stayed empty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """From `start` to `end`, seconds of the talk."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Talk:
    path: Path
    duration: float
    sentences: tuple[SpokenSentence, ...]


def sentences_of(seed: int, count: int) -> list[str]:
    """Plain English without numbers and names, whose spelling is a matter of taste."""
    dice = Random(seed)
    parts = (_WHO, _DID, _WHAT, _WHERE, _THEN)
    return [" ".join(map(dice.choice, parts)).capitalize() + "." for _ in range(count)]


def make_talk(voice: Path, folder: Path, seconds: float, snr_db: float, seed: int = 1) -> Talk:
    """Of at least `seconds`. `voice` is the Python that has Piper. Raises CalledProcessError."""
    texts = sentences_of(seed, int(seconds / 4) + 2)
    dice, noise = Random(seed), np.random.default_rng(seed)
    parts: list[Samples] = []
    spoken: list[SpokenSentence] = []
    position = 0
    for text, samples in zip(texts, _speak(voice, texts), strict=True):
        if position >= seconds * RATE:
            break
        loud = np.flatnonzero(np.abs(samples) > _ACTIVE * np.abs(samples).max())
        start, end = position + int(loud[0]), position + int(loud[-1])
        spoken.append(SpokenSentence(text, start / RATE, end / RATE))
        pause = np.zeros(int(dice.uniform(*_PAUSE_S) * RATE), np.float32)
        parts += [samples, pause]
        position += samples.size + pause.size
    talk = np.concatenate(parts)
    power = float(np.square(talk[np.abs(talk) > 1e-3]).mean())
    talk += noise.normal(0.0, (power / 10 ** (snr_db / 10)) ** 0.5, talk.size).astype(np.float32)
    path = folder / "talk.wav"
    write_wave(path, talk)
    return Talk(path, talk.size / RATE, tuple(spoken))


def make_sounds(folder: Path, seed: int = 1, each: int = SOUNDS_EACH) -> Iterator[tuple[str, Path]]:
    """Files in which nobody speaks, and their kinds."""
    noise = np.random.default_rng(seed)
    makers = {"silence": _silence, "noise": _noise, "music": _music}
    for kind, make in makers.items():
        for number in range(each):
            path = folder / f"{kind}-{number}.wav"
            write_wave(path, make(number, noise))
            yield kind, path


def write_wave(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _speak(voice: Path, texts: Sequence[str]) -> list[Samples]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [str(voice), str(_PROGRAM), folder], input=json.dumps(texts).encode(), check=True
        )
        return [_read_wave(Path(folder) / f"{number}.wav") for number in range(len(texts))]


def _read_wave(path: Path) -> Samples:
    """At RATE, by linear interpolation."""
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    times = np.arange(int(samples.size * RATE / rate)) * rate / RATE
    return np.interp(times, np.arange(samples.size), samples).astype(np.float32)


def _silence(number: int, noise: np.random.Generator) -> Samples:
    """Digital, or as quiet as a good room."""
    level = 0.0 if number % 2 else 10 ** (-(60 + number) / 20)
    return noise.normal(0.0, level, int(SOUND_S * RATE)).astype(np.float32)


def _noise(number: int, noise: np.random.Generator) -> Samples:
    """White, pink or brown, from -40 to -12 dBFS, swelling in every other file."""
    spectrum = np.fft.rfft(noise.normal(size=int(SOUND_S * RATE)))
    hertz = np.maximum(np.fft.rfftfreq(int(SOUND_S * RATE), 1 / RATE), 20.0)
    samples = np.fft.irfft(spectrum / hertz ** (number % 3 / 2))
    samples *= 10 ** ((-40 + 28 * number / SOUNDS_EACH) / 20) / samples.std()
    if number % 2:
        samples *= 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(samples.size) / RATE / 3)
    return samples.astype(np.float32)


def _music(number: int, noise: np.random.Generator) -> Samples:
    """Chords and runs of tones with overtones, and a beat."""
    times = np.arange(int(SOUND_S * RATE)) / RATE
    samples = np.zeros(times.size)
    step_s = 0.25 + 0.25 * (number % 3)
    for beat in range(int(SOUND_S / step_s)):
        first = int(beat * step_s * RATE)
        since = times[: times.size - first]
        fade = np.exp(-since / (0.2 + 0.1 * (number % 4)))
        for tone in noise.choice((0, 3, 4, 7, 9, 12), 1 + number % 3, replace=False):
            hertz = 110 * 2 ** ((number % 12 + tone) / 12) * (1 + beat % 2)
            for overtone in range(1, 6):
                wave_ = np.sin(2 * np.pi * hertz * overtone * since)
                samples[first:] += fade * wave_ / overtone**1.5
        hit = noise.normal(size=min(800, since.size)) * np.exp(
            -np.arange(min(800, since.size)) / 120
        )
        samples[first : first + hit.size] += hit * (number % 2)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)
