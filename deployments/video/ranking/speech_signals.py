"""What stands out in what is said. In: sentences. Out: deviations: rate, hook, keywords."""

import numpy as np

from deployments.video.ranking.calibration import LARGEST, Curve, deviations, smooth
from deployments.video.ranking.grid import Grid
from deployments.video.ranking.sentences import Sentence

RATE_WINDOW_S = 6.0
HOOK_WINDOW_S = 2.0
FASTER = 1.5  # characters a second that count as one deviation at least
KEYWORD = 6.0  # deviations that a sentence with an asked-for word is worth


def speech_signals(sentences: tuple[Sentence, ...], grid: Grid, wanted: bool) -> dict[str, Curve]:
    """`rate` and `hook` by half second, and `keywords` where any are `wanted`."""
    if not sentences or grid.count == 0:
        return {}
    curves = {"rate": _rate(sentences, grid), "hook": _hooks(sentences, grid)}
    if wanted:
        hits = [float(bool(sentence.keywords)) for sentence in sentences]
        curves["keywords"] = np.clip(KEYWORD * _cover(sentences, hits, grid), 0.0, LARGEST)
    return curves


def _rate(sentences: tuple[Sentence, ...], grid: Grid) -> Curve:
    """Characters a second while somebody speaks: fair to scripts that write no spaces."""
    words = [word for sentence in sentences for word in sentence.words]
    spans = np.array([(word.start, word.end) for word in words])
    lengths = np.maximum(spans[:, 1] - spans[:, 0], 1e-3)
    characters = np.array([len(word.text.strip()) for word in words], dtype=np.float64)
    width = grid.cells(RATE_WINDOW_S)
    said = smooth(grid.shares(spans, characters / lengths), width)
    talk = smooth(np.minimum(grid.shares(spans, np.ones(len(words))), 1.0), width)
    held = talk > 0.3
    rate = np.where(held, said / np.maximum(talk, 0.3), np.nan)
    usual = float(np.nanmedian(rate)) if held.any() else 0.0
    return deviations(np.nan_to_num(rate, nan=usual), FASTER)


def _hooks(sentences: tuple[Sentence, ...], grid: Grid) -> Curve:
    """Above what this speaker always does: where each sentence is a question, none stands out."""
    strengths = np.array([sentence.hook.strength for sentence in sentences])
    usual = float(strengths.mean())
    spread = max(float(strengths.std()), 0.12)
    risen = np.clip((strengths - usual) / spread, 0.0, LARGEST)
    return smooth(_cover(sentences, risen, grid), grid.cells(HOOK_WINDOW_S))


def _cover(sentences: tuple[Sentence, ...], values: "list[float] | Curve", grid: Grid) -> Curve:
    spans = np.array([(sentence.start, sentence.end) for sentence in sentences])
    return grid.shares(spans, np.asarray(values, dtype=np.float64))
