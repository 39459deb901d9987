"""All signals of highlights on one time grid: features and sentences in, `Signals` out.

Each curve is in deviations from the usual in this recording (0 to 8); a signal that cannot be
measured (no sound, no picture, no words) is absent, and its weight falls to the others.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from deployments.contracts.media import MediaFeatures
from deployments.video.ranking.audio_signals import audio_signals
from deployments.video.ranking.calibration import Curve, saturate
from deployments.video.ranking.grid import Grid
from deployments.video.ranking.sentences import Sentence
from deployments.video.ranking.speech_signals import speech_signals
from deployments.video.ranking.visual_signals import visual_signals

WEIGHTS: Mapping[str, float] = {
    "energy": 0.7,
    "bursts": 0.5,
    "laughter": 1.0,
    "motion": 0.9,
    "cuts": 1.3,
    "rate": 0.2,
    "hook": 1.3,
    "keywords": 0.5,
}


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """`curves` by name in deviations; `appeal` is their weighted, saturated sum."""

    grid: Grid
    curves: Mapping[str, Curve]
    appeal: Curve


def signals_of(
    features: MediaFeatures,
    sentences: tuple[Sentence, ...],
    duration: float,
    *,
    keywords: bool = False,
    without: Collection[str] = (),
) -> Signals:
    """`without` names signals to omit (ablation)."""
    grid = Grid.over(duration)
    all_curves = {
        **audio_signals(features.audio, grid),
        **visual_signals(features.video, grid),
        **speech_signals(sentences, grid, keywords),
    }
    curves = {
        name: all_curves[name] for name in WEIGHTS if name in all_curves and name not in without
    }
    appeal = np.sum(
        [WEIGHTS[name] * saturate(curve) for name, curve in curves.items()] or [grid.zeros()],
        axis=0,
    )
    return Signals(grid, curves, appeal)
