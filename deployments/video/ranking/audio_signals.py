"""Audio signals: audio features in; energy, bursts and laughter on the grid out, in deviations.

Loudness alone is not a signal: a recording's beginning, a song or a click is loud, too. `energy`
must rise over what came before and after, and vary within seconds; every measure is taken from
medians of half seconds, which ignore clicks.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from deployments.contracts.media import AudioFeatures
from deployments.video.ranking.calibration import (
    MAX_DEVIATION,
    Curve,
    deviations,
    novelty,
    smooth,
    trailing_quantile,
)
from deployments.video.ranking.grid import STEP_S, Grid

NEIGHBOURHOOD_S = 90.0
MIN_LEVEL_DB = -60.0  # quieter sound counts as silence
USUAL_QUANTILE = 0.35  # of the neighbourhood, so that other highlights in it do not count
FULL_LIVELINESS_DB = 2.0  # mean change of the level in half a second; constant music has less
MAX_STEP_DB = 6.0
MIN_RISE_DB = 2.0  # the smallest rise that counts as one deviation
LAUGHTER_HZ = (3.7, 6.5)
SLOWER_HZ = 2.5  # slower modulation comes from single bursts and words
MODULATION_S = 2.0
MAX_STRENGTH_DB = 20.0  # over the usual swing; more is not better
COARSEST_HOP_S = 0.06  # coarser levels do not resolve the modulation of laughter


def audio_signals(audio_features: AudioFeatures | None, grid: Grid) -> dict[str, Curve]:
    """`energy`, `bursts` and `laughter` by half second, as far as they can be measured."""
    if audio_features is None or grid.count == 0 or audio_features.level.size == 0:
        return {}
    level = np.maximum(audio_features.level.astype(np.float64), MIN_LEVEL_DB)
    times = audio_features.start + np.arange(level.size) * audio_features.hop_s
    if float(level.max()) <= MIN_LEVEL_DB:
        return {}
    steady = grid.medians(times, level)
    curves = {"energy": _energy(steady, grid), "bursts": _bursts(steady, grid)}
    if audio_features.hop_s <= COARSEST_HOP_S:
        curves["laughter"] = _laughter(level, audio_features, grid)
    return curves


def _energy(steady: Curve, grid: Grid) -> Curve:
    amplitude = smooth(10 ** (steady / 20), grid.cells(3.0))
    rise = novelty(20 * np.log10(amplitude), grid.cells(NEIGHBOURHOOD_S), USUAL_QUANTILE)
    return deviations(rise * _liveliness(steady, grid), MIN_RISE_DB, spread=MIN_RISE_DB)


def _liveliness(steady: Curve, grid: Grid) -> Curve:
    """0 for a constant level, 1 for one that varies as speech, laughter or applause does.

    Louder sound weighs by its power, so quiet before a song does not make the song lively; a single
    step counts only up to `MAX_STEP_DB`.
    """
    steps = np.minimum(np.abs(np.diff(steady, prepend=steady[:1])), MAX_STEP_DB)
    power, width = 10 ** (steady / 10), grid.cells(8.0)
    change = smooth(steps * power, width) / smooth(power, width)
    return np.minimum(change / FULL_LIVELINESS_DB, 1.0)


def _bursts(steady: Curve, grid: Grid) -> Curve:
    """Repeated rises over the median level of the last seconds."""
    rise = np.maximum(steady - trailing_quantile(steady, grid.cells(12.0)), 0.0)
    dense = smooth(rise, grid.cells(6.0))
    return deviations(dense * _liveliness(steady, grid), MIN_RISE_DB / 2)


def _laughter(level: Curve, audio_features: AudioFeatures, grid: Grid) -> Curve:
    """How strongly and regularly the loudness swings four to six times a second: the peak in the
    spectrum of its envelope (dB over the median), by its share of all modulation."""
    width = round(MODULATION_S / audio_features.hop_s)
    stride = max(1, round(STEP_S / audio_features.hop_s))
    if level.size < width:
        return grid.zeros()
    windows = sliding_window_view(10 ** (level / 20), width)[::stride]
    shape = np.hanning(width)
    spectrum = np.abs(np.fft.rfft((windows - windows.mean(1, keepdims=True)) * shape, axis=1)) ** 2
    rates = np.fft.rfftfreq(width, audio_features.hop_s)
    peak_power = _peak(spectrum[:, (rates >= LAUGHTER_HZ[0]) & (rates <= LAUGHTER_HZ[1])])
    other_power = spectrum[:, (rates > SLOWER_HZ) & (rates <= 12.0)].sum(1)
    centres = (
        audio_features.start + (np.arange(len(windows)) * stride + width / 2) * audio_features.hop_s
    )
    regularity = grid.medians(centres, peak_power / np.maximum(other_power, 1e-12))
    peak_db = grid.medians(centres, 10 * np.log10(peak_power + 1e-9))
    strength = np.clip(peak_db - np.median(peak_db), 0.0, MAX_STRENGTH_DB) / MAX_STRENGTH_DB
    confidence = deviations(regularity, 0.05) / MAX_DEVIATION
    return MAX_DEVIATION * smooth(np.sqrt(strength * confidence), grid.cells(3.0))


def _peak(band: Curve) -> Curve:
    """The strongest line and its neighbours, by row."""
    if band.shape[1] < 3:
        return band.sum(1)
    return sliding_window_view(band, 3, axis=1).sum(2).max(1)
