"""Visual signals: video features in; motion and cuts on the grid out, in deviations.

Camera shake moves everything and shows nothing: motion counts fully only if a subject stands out. A
flash changes two frames: medians of half seconds ignore it, and two cuts within a moment count
once.
"""

import numpy as np

from deployments.contracts.media import VideoFeatures
from deployments.video.ranking.calibration import Curve, deviations, smooth, trailing_quantile
from deployments.video.ranking.grid import Grid

MOTION_FLOOR = 0.0005  # mean difference of brightness; less is noise
NEIGHBOURHOOD_S = 60.0
MIN_SPEED = 0.08  # widths of the picture a second, at least one deviation
NO_SUBJECT_WEIGHT = 0.15
MIN_CUT_GAP_S = 0.4
CUT_WINDOW_S = 5.0


def visual_signals(video_features: VideoFeatures | None, grid: Grid) -> dict[str, Curve]:
    """`motion` and `cuts` by half second; empty without a picture."""
    if video_features is None or grid.count == 0 or video_features.times.size == 0:
        return {}
    return {"motion": _motion(video_features, grid), "cuts": _cuts(video_features, grid)}


def _motion(video_features: VideoFeatures, grid: Grid) -> Curve:
    motion = grid.medians(video_features.times, video_features.motion)
    amount = np.sqrt(smooth(motion, grid.cells(2.0)) + MOTION_FLOOR)
    width = grid.cells(NEIGHBOURHOOD_S)
    surroundings = np.minimum(
        trailing_quantile(amount, width), trailing_quantile(amount[::-1], width)[::-1]
    )
    rise = deviations(amount / surroundings - 1.0, 0.2)
    return np.sqrt(rise * _subject(video_features, grid) * _pace(video_features, grid))


def _pace(video_features: VideoFeatures, grid: Grid) -> Curve:
    """The speed of the subject: a frame's difference alone stops growing once an object leaves its
    old position within one frame."""
    middles = (video_features.subject_times[1:] + video_features.subject_times[:-1]) / 2
    distance = np.hypot(*np.diff(video_features.subjects[:, :2].astype(np.float64), axis=0).T)
    speed = distance / np.maximum(np.diff(video_features.subject_times), 1e-3)
    confidence = np.minimum(video_features.subjects[1:, 4], video_features.subjects[:-1, 4])
    same_shot = (
        np.diff(np.searchsorted(video_features.cuts, video_features.subject_times, side="right"))
        == 0
    )
    pace = smooth(
        grid.medians(middles[same_shot], np.nan_to_num(speed * confidence)[same_shot]),
        grid.cells(4.0),
    )
    return deviations(pace, MIN_SPEED)


def _subject(video_features: VideoFeatures, grid: Grid) -> Curve:
    """From `NO_SUBJECT_WEIGHT` to 1: the confidence that there is a subject."""
    if video_features.subject_times.size == 0:
        return np.full(grid.count, NO_SUBJECT_WEIGHT)
    confidence = np.nan_to_num(video_features.subjects[:, 4].astype(np.float64), nan=0.0)
    certainty = smooth(grid.medians(video_features.subject_times, confidence), grid.cells(3.0))
    return np.asarray(NO_SUBJECT_WEIGHT + (1.0 - NO_SUBJECT_WEIGHT) * np.clip(certainty, 0.0, 1.0))


def _cuts(video_features: VideoFeatures, grid: Grid) -> Curve:
    cuts = video_features.cuts
    if cuts.size == 0:
        return grid.zeros()
    is_separate = np.concatenate([[True], np.diff(cuts) > MIN_CUT_GAP_S])
    counts = grid.counts(cuts[is_separate], np.ones(int(is_separate.sum())))
    width = grid.cells(CUT_WINDOW_S)
    density = smooth(counts, width) * width  # cuts in the window
    return deviations(density, 1.0)
