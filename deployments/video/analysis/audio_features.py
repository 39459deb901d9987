"""What sound is like, 100 times a second: mono samples at 16 kHz in, spectra's summaries out.

Speech is likely where the level in a voice's band rises and falls about four times a second, as
syllables do (Scheirer and Slaney, 1997), and where parts with a pitch and parts without alternate:
melodies and engines always have one, applause and laughter never. Novelty is spectral flux with a
maximum filter (Böck and Widmer, 2013). Takes blocks of any length; knows nothing of decoding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Values

RATE, HOP, WINDOW = 16_000, 160, 512
BANDS = 24
VOICE_HZ, PITCH_HZ = (250.0, 3500.0), (70.0, 400.0)
FLUX_LAG = 3  # earlier spectra that a new one is compared with
FLUX_FLOOR = 1e-6  # energy in a band, of full scale, below which changes do not count
AUDIBLE_DB = -70.0
VOICED = 0.5  # share of a pitch from which a hop counts as voiced
LEAST_VOICED, MOST_VOICED = 0.2, 0.92  # of a second: talk has consonants, melodies have none
LEAST_SWING_DB = 2.2

Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SpectralFrames:
    """A value per hop: the voice's band in dB, how much of a pitch there is (0 to 1), and the rise
    of the spectrum since shortly before."""

    voice_db: Values
    pitch: Values
    novelty: Values


class SpectrumAnalyzer:
    """`push` blocks, then `finish`. Holds a window of samples and three numbers per hop."""

    def __init__(self) -> None:
        ahead = (WINDOW - HOP) // 2  # windows are centred on their hops
        self._kept: Block = np.zeros(ahead, np.float32)
        self._taper = np.hanning(WINDOW).astype(np.float32)
        self._bands = _bands()
        self._before = np.zeros((FLUX_LAG, BANDS), np.float32)
        self._found = bytearray()

    def push(self, samples: Block) -> None:
        self._kept = np.concatenate((self._kept, samples))
        hops = (self._kept.size - WINDOW) // HOP + 1
        if hops > 0:
            windows = np.lib.stride_tricks.sliding_window_view(self._kept, WINDOW)[::HOP][:hops]
            self._found += self._measured(windows * self._taper).tobytes()
            self._kept = self._kept[hops * HOP :].copy()

    def finish(self, hops: int) -> SpectralFrames:
        """Of the first `hops`; what lies past the end of the sound is silent."""
        self.push(np.zeros(WINDOW, np.float32))
        rows = np.frombuffer(bytes(self._found), np.float32).reshape(-1, 3)[:hops]
        silent = np.array([[AUDIBLE_DB, 0, 0]], np.float32)
        rows = np.concatenate((rows, silent.repeat(hops - len(rows), axis=0)))
        return SpectralFrames(*(np.ascontiguousarray(column) for column in rows.T))

    def _measured(self, windows: Block) -> NDArray[np.float32]:
        power = np.square(np.abs(np.fft.rfft(windows, axis=1))) / np.float32(WINDOW**2 / 16)
        hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
        voice = power[:, (hertz >= VOICE_HZ[0]) & (hertz <= VOICE_HZ[1])].sum(axis=1)
        level = 10 * np.log10(voice + np.float32(1e-12))
        return np.stack([level, _pitch(power), self._flux(power)], axis=1).astype(np.float32)

    def _flux(self, power: NDArray[Any]) -> NDArray[np.float32]:
        """Mean rise of the bands' levels over those shortly before and beside them, in tens of
        dB."""
        bands = np.log10(power @ self._bands + np.float32(FLUX_FLOOR)).astype(np.float32)
        bands -= np.float32(np.log10(FLUX_FLOOR))
        line = np.concatenate((self._before, bands))
        self._before = line[-FLUX_LAG:]
        near = np.pad(line, ((0, 0), (1, 1)), mode="edge")
        near = np.maximum(np.maximum(near[:, :-2], near[:, 1:-1]), near[:, 2:])
        known = np.max([near[lag : lag + len(bands)] for lag in range(FLUX_LAG)], axis=0)
        rise = np.maximum(bands - known, 0)
        return np.asarray(rise.mean(axis=1), np.float32)


def speech_probability(sounds: SpectralFrames, level: Values) -> Values:
    """Likelihood of speech for each hop, 0 to 1; `level` is the sound's, dBFS."""
    swing = np.sqrt(_mean(np.square(_syllables(sounds.voice_db)), 100))
    voiced = _mean((sounds.pitch > VOICED).astype(np.float32), 100)
    talking = _likely(1.5 * (swing - LEAST_SWING_DB))
    mixed = _likely(15 * (voiced - LEAST_VOICED)) * _likely(40 * (MOST_VOICED - voiced))
    active = _likely((_mean(sounds.voice_db, 30) - _quiet(sounds.voice_db)) / 3)
    likely = active * talking * mixed
    return np.where(level < AUDIBLE_DB, 0, likely).astype(np.float32)


def _likely(odds: NDArray[Any]) -> Values:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


def _quiet(voice_db: Values) -> float:
    """Speech is about this loud or louder in this recording, dB."""
    loud = float(np.percentile(voice_db, 95)) if voice_db.size else 0.0
    return max(AUDIBLE_DB, loud - 30)


def _syllables(voice_db: Values) -> Values:
    """The level's rise and fall between 2 and 8 Hz, dB."""
    heard = np.maximum(voice_db, AUDIBLE_DB)
    return _mean(heard, 6) - _mean(heard, 36)


def _mean(values: Values, hops: int) -> Values:
    """The mean of the `hops` around each value; fewer at the ends."""
    if not values.size:
        return values
    sums = np.concatenate(([0.0], np.cumsum(values, dtype=np.float64)))
    at = np.arange(values.size)
    low, high = np.maximum(at - hops // 2, 0), np.minimum(at + (hops + 1) // 2, values.size)
    return ((sums[high] - sums[low]) / (high - low)).astype(np.float32)


def _pitch(power: NDArray[Any]) -> NDArray[Any]:
    """The highest autocorrelation at a voice's periods, as a share of the energy."""
    correlation = np.fft.irfft(power, axis=1)
    low, high = (int(RATE / hertz) for hertz in reversed(PITCH_HZ))
    taper = np.fft.irfft(np.square(np.abs(np.fft.rfft(np.hanning(WINDOW)))))
    best = (correlation[:, low : high + 1] / (taper[low : high + 1] / taper[0])).max(axis=1)
    return np.clip(best / (correlation[:, 0] + 1e-12), 0, 1)


def _bands() -> NDArray[np.float32]:
    """Which bins belong to which of the bands, equally wide on the mel scale; (bins, BANDS)."""
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(WINDOW, 1 / RATE) / 700)
    edges = np.linspace(mel[1], mel[-1] + 1e-6, BANDS + 1)
    band = np.digitize(mel, edges) - 1
    return np.asarray(band[:, None] == np.arange(BANDS), np.float32)
