"""Speech signals: sentences in; rate, hook and keywords on the grid out, in deviations."""

import numpy as np

from deployments.video.ranking.calibration import MAX_DEVIATION, Curve, deviations, smooth
from deployments.video.ranking.grid import Grid
from deployments.video.ranking.sentences import Sentence

RATE_WINDOW_S = 6.0
HOOK_WINDOW_S = 2.0
MIN_FASTER = 1.5  # characters a second, at least one deviation
KEYWORD_DEVIATION = 6.0  # of a sentence with a requested keyword


def speech_signals(
    sentences: tuple[Sentence, ...], grid: Grid, has_keywords: bool
) -> dict[str, Curve]:
    """`rate` and `hook` by half second, and `keywords` if any were requested."""
    if not sentences or grid.count == 0:
        return {}
    curves = {"rate": _rate(sentences, grid), "hook": _hooks(sentences, grid)}
    if has_keywords:
        hits = [float(bool(sentence.keywords)) for sentence in sentences]
        curves["keywords"] = np.clip(
            KEYWORD_DEVIATION * _cover(sentences, hits, grid), 0.0, MAX_DEVIATION
        )
    return curves


def _rate(sentences: tuple[Sentence, ...], grid: Grid) -> Curve:
    """Characters a second during speech: comparable for scripts without spaces."""
    words = [word for sentence in sentences for word in sentence.words]
    spans = np.array([(word.start, word.end) for word in words])
    lengths = np.maximum(spans[:, 1] - spans[:, 0], 1e-3)
    characters = np.array([len(word.text.strip()) for word in words], dtype=np.float64)
    width = grid.cells(RATE_WINDOW_S)
    characters_per_s = smooth(grid.shares(spans, characters / lengths), width)
    speech_share = smooth(np.minimum(grid.shares(spans, np.ones(len(words))), 1.0), width)
    is_speaking = speech_share > 0.3
    rate = np.where(is_speaking, characters_per_s / np.maximum(speech_share, 0.3), np.nan)
    median_rate = float(np.nanmedian(rate)) if is_speaking.any() else 0.0
    return deviations(np.nan_to_num(rate, nan=median_rate), MIN_FASTER)


def _hooks(sentences: tuple[Sentence, ...], grid: Grid) -> Curve:
    """Above the speaker's mean: if each sentence is a question, none stands out."""
    strengths = np.array([sentence.hook.strength for sentence in sentences])
    mean = float(strengths.mean())
    spread = max(float(strengths.std()), 0.12)
    strength_deviations = np.clip((strengths - mean) / spread, 0.0, MAX_DEVIATION)
    return smooth(_cover(sentences, strength_deviations, grid), grid.cells(HOOK_WINDOW_S))


def _cover(sentences: tuple[Sentence, ...], values: "list[float] | Curve", grid: Grid) -> Curve:
    spans = np.array([(sentence.start, sentence.end) for sentence in sentences])
    return grid.shares(spans, np.asarray(values, dtype=np.float64))
