"""Audio features, 100 a second: mono samples at 16 kHz in; speech, novelty and silence out.

Speech is likely where the level in the voice band swings about four times a second, as syllables
do (Scheirer and Slaney, 1997), and where voiced and unvoiced parts alternate: melodies and engines
are always voiced, applause and laughter never. Novelty is spectral flux with a maximum filter (Böck
and Widmer, 2013). The silence threshold of a recording lies midway between its quiet and its loud
parts, but well below the loud ones and never below the audible. Blocks may have any length.
"""

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Seconds, Times, Values

RATE, HOP, WINDOW = 16_000, 160, 512
BANDS = 24
VOICE_HZ, PITCH_HZ = (250.0, 3500.0), (70.0, 400.0)
FLUX_LAG = 3  # earlier spectra compared with a new one
FLUX_FLOOR = 1e-6  # of full scale: changes of a band below it do not count
AUDIBLE_DB = -70.0
VOICED = 0.5  # pitch strength of a voiced hop
MIN_VOICED, MAX_VOICED = 0.2, 0.92  # of a second: talk has consonants, melodies have none
MIN_SWING_DB = 2.2

Block = NDArray[np.float32]


SILENCE_FLOOR_DB = -60.0  # dBFS
MIN_BELOW_LOUD_DB, MAX_BELOW_LOUD_DB = 20.0, 45.0  # of the threshold
MIN_SILENCE_S = 0.2


@dataclass(frozen=True, slots=True)
class SpectralFrames:
    """A value per hop: the level of the voice band in dB, the strength of a pitch (0 to 1), and the
    spectral flux."""

    voice_db: Values
    pitch: Values
    novelty: Values


class SpectrumAnalyzer:
    """`push` blocks, then `finish`. Holds a window of samples and three numbers per hop."""

    def __init__(self) -> None:
        padding = (WINDOW - HOP) // 2  # windows are centred on their hops
        self._pending: Block = np.zeros(padding, np.float32)
        self._taper = np.hanning(WINDOW).astype(np.float32)
        self._bands = _bands()
        self._previous = np.zeros((FLUX_LAG, BANDS), np.float32)
        self._rows = bytearray()

    def push(self, samples: Block) -> None:
        self._pending = np.concatenate((self._pending, samples))
        hops = (self._pending.size - WINDOW) // HOP + 1
        if hops > 0:
            windows = np.lib.stride_tricks.sliding_window_view(self._pending, WINDOW)[::HOP][:hops]
            self._rows += self._measure(windows * self._taper).tobytes()
            self._pending = self._pending[hops * HOP :].copy()

    def finish(self, hops: int) -> SpectralFrames:
        """Of the first `hops`; hops after the end of the sound are silent."""
        self.push(np.zeros(WINDOW, np.float32))
        rows = np.frombuffer(bytes(self._rows), np.float32).reshape(-1, 3)[:hops]
        silent = np.array([[AUDIBLE_DB, 0, 0]], np.float32)
        rows = np.concatenate((rows, silent.repeat(hops - len(rows), axis=0)))
        return SpectralFrames(*(np.ascontiguousarray(column) for column in rows.T))

    def _measure(self, windows: Block) -> NDArray[np.float32]:
        power = np.square(np.abs(np.fft.rfft(windows, axis=1))) / np.float32(WINDOW**2 / 16)
        hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
        voice = power[:, (hertz >= VOICE_HZ[0]) & (hertz <= VOICE_HZ[1])].sum(axis=1)
        level = 10 * np.log10(voice + np.float32(1e-12))
        return np.stack([level, _pitch(power), self._flux(power)], axis=1).astype(np.float32)

    def _flux(self, power: NDArray[Any]) -> NDArray[np.float32]:
        """Mean rise of the bands' levels over the earlier ones and their neighbours, in tens of
        dB."""
        bands = np.log10(power @ self._bands + np.float32(FLUX_FLOOR)).astype(np.float32)
        bands -= np.float32(np.log10(FLUX_FLOOR))
        line = np.concatenate((self._previous, bands))
        self._previous = line[-FLUX_LAG:]
        neighbours = np.pad(line, ((0, 0), (1, 1)), mode="edge")
        neighbours = np.maximum(
            np.maximum(neighbours[:, :-2], neighbours[:, 1:-1]), neighbours[:, 2:]
        )
        reference = np.max([neighbours[lag : lag + len(bands)] for lag in range(FLUX_LAG)], axis=0)
        rise = np.maximum(bands - reference, 0)
        return np.asarray(rise.mean(axis=1), np.float32)


def speech_probability(frames: SpectralFrames, level: Values) -> Values:
    """Likelihood of speech for each hop, 0 to 1; `level` is the sound's, dBFS."""
    swing = np.sqrt(_mean(np.square(_syllable_swing(frames.voice_db)), 100))
    voiced = _mean((frames.pitch > VOICED).astype(np.float32), 100)
    has_swing = _logistic(1.5 * (swing - MIN_SWING_DB))
    has_mixed_voicing = _logistic(15 * (voiced - MIN_VOICED)) * _logistic(
        40 * (MAX_VOICED - voiced)
    )
    active = _logistic((_mean(frames.voice_db, 30) - _speech_floor(frames.voice_db)) / 3)
    probability = active * has_swing * has_mixed_voicing
    return np.where(level < AUDIBLE_DB, 0, probability).astype(np.float32)


def _logistic(log_odds: NDArray[Any]) -> Values:
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)


def _speech_floor(voice_db: Values) -> float:
    """The least level of speech in this recording, dB."""
    loud = float(np.percentile(voice_db, 95)) if voice_db.size else 0.0
    return max(AUDIBLE_DB, loud - 30)


def _syllable_swing(voice_db: Values) -> Values:
    """The level's rise and fall between 2 and 8 Hz, dB."""
    level = np.maximum(voice_db, AUDIBLE_DB)
    return _mean(level, 6) - _mean(level, 36)


def _mean(values: Values, hops: int) -> Values:
    """The mean of the `hops` around each value; fewer at the ends."""
    if not values.size:
        return values
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    indices = np.arange(values.size)
    low, high = (
        np.maximum(indices - hops // 2, 0),
        np.minimum(indices + (hops + 1) // 2, values.size),
    )
    return ((sums[high] - sums[low]) / (high - low)).astype(np.float32)


def _pitch(power: NDArray[Any]) -> NDArray[Any]:
    """The highest autocorrelation at the periods of voices, as a share of the energy."""
    correlation = np.fft.irfft(power, axis=1)
    low, high = (int(RATE / hertz) for hertz in reversed(PITCH_HZ))
    taper = np.fft.irfft(np.square(np.abs(np.fft.rfft(np.hanning(WINDOW)))))
    best = (correlation[:, low : high + 1] / (taper[low : high + 1] / taper[0])).max(axis=1)
    return np.clip(best / (correlation[:, 0] + 1e-12), 0, 1)


def _bands() -> NDArray[np.float32]:
    """The mel filter bank: which bins belong to which band, of shape (bins, BANDS)."""
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(WINDOW, 1 / RATE) / 700)
    edges = np.linspace(mel[1], mel[-1] + 1e-6, BANDS + 1)
    band = np.digitize(mel, edges) - 1
    return np.asarray(band[:, None] == np.arange(BANDS), np.float32)


def detect_silence(
    level: Values, start: Seconds, hop_s: Seconds, shortest_s: Seconds = MIN_SILENCE_S
) -> Times:
    """Start and end of each silence of `shortest_s` and more, shape (n, 2), in seconds of the
    source. `level` is in dBFS, a value for each hop from `start` on."""
    quiet = np.concatenate(([False], level < silence_threshold(level), [False]))
    edges = np.flatnonzero(quiet[1:] != quiet[:-1]).reshape(-1, 2)
    long = edges[edges[:, 1] - edges[:, 0] >= round(shortest_s / hop_s)]
    return np.asarray(start + long * hop_s, np.float64)


def silence_threshold(level: Values) -> float:
    """The level below which this recording is silent, dBFS."""
    if not level.size:
        return SILENCE_FLOOR_DB
    quiet_level, loud_level = (float(value) for value in np.percentile(level, (10, 95)))
    midway = (quiet_level + loud_level) / 2
    return max(
        SILENCE_FLOOR_DB,
        min(max(midway, loud_level - MAX_BELOW_LOUD_DB), loud_level - MIN_BELOW_LOUD_DB),
    )


class BlockSums:
    """Sums over spans of `rate / per_second` samples. Span i covers the samples from
    round(i * length) to round((i + 1) * length), so that fractional lengths do not drift."""

    def __init__(self, rate: int, per_second: int) -> None:
        self._rate, self._per_second = rate, per_second
        self._position = 0
        self._partial = 0.0
        self.complete = array("d")

    def push(self, values: NDArray[np.floating]) -> None:
        end = self._position + values.size
        first, last = len(self.complete), self._complete_count(end)
        edges = (
            np.array([self._edge(i) for i in range(first + 1, last + 1)], np.int64) - self._position
        )
        starts = np.concatenate(([0], edges[edges < values.size]))
        sums = np.add.reduceat(values, starts, dtype=np.float64) if values.size else np.zeros(1)
        if edges.size == starts.size:  # the last edge is the end of the block
            sums = np.append(sums, 0.0)
        sums[0] += self._partial
        self.complete.extend(sums[:-1].tolist())
        self._partial, self._position = float(sums[-1]), end

    def remainder(self) -> tuple[float, int]:
        """The sum of the incomplete span, and its number of samples."""
        return self._partial, self._position - self._edge(len(self.complete))

    def _edge(self, number: int) -> int:
        return (2 * number * self._rate + self._per_second) // (2 * self._per_second)

    def _complete_count(self, position: int) -> int:
        number = position * self._per_second // self._rate
        return (
            number + 1
            if self._edge(number + 1) <= position
            else number - (self._edge(number) > position)
        )
