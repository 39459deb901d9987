"""What stands out to the eye. In: video_features. Out: deviations on the grid: motion, cuts.

A camera that shakes moves everything and shows nothing: motion counts in full only where a subject
stands out. A flash changes two frames: medians of half seconds do not see it, and two cuts within
a moment are one.
"""

import numpy as np

from deployments.contracts.media import VideoFeatures
from deployments.video.ranking.calibration import Curve, deviations, smooth, trailing_quantile
from deployments.video.ranking.grid import Grid

FAINTEST = 0.0005  # mean difference of brightness; less is noise of the picture
NEIGHBOURHOOD_S = 60.0
SLOWEST = 0.08  # widths of the picture a second that count as one deviation at least
WITHOUT_SUBJECT = 0.15
MOMENT_S = 0.4
CUT_WINDOW_S = 5.0


def visual_signals(video_features: VideoFeatures | None, grid: Grid) -> dict[str, Curve]:
    """`motion` and `cuts` by half second; empty where there is no picture."""
    if video_features is None or grid.count == 0 or video_features.times.size == 0:
        return {}
    return {"motion": _motion(video_features, grid), "cuts": _cuts(video_features, grid)}


def _motion(video_features: VideoFeatures, grid: Grid) -> Curve:
    moved = grid.medians(video_features.times, video_features.motion)
    amount = np.sqrt(smooth(moved, grid.cells(2.0)) + FAINTEST)
    width = grid.cells(NEIGHBOURHOOD_S)
    around = np.minimum(
        trailing_quantile(amount, width), trailing_quantile(amount[::-1], width)[::-1]
    )
    risen = deviations(amount / around - 1.0, 0.2)
    return np.sqrt(risen * _subject(video_features, grid) * _pace(video_features, grid))


def _pace(video_features: VideoFeatures, grid: Grid) -> Curve:
    """How fast what is followed goes: a frame's difference alone stops growing once a thing leaves
    its old place within one frame."""
    middles = (video_features.subject_times[1:] + video_features.subject_times[:-1]) / 2
    gone = np.hypot(*np.diff(video_features.subjects[:, :2].astype(np.float64), axis=0).T)
    speed = gone / np.maximum(np.diff(video_features.subject_times), 1e-3)
    sure = np.minimum(video_features.subjects[1:, 4], video_features.subjects[:-1, 4])
    held = (
        np.diff(np.searchsorted(video_features.cuts, video_features.subject_times, side="right"))
        == 0
    )
    paced = smooth(grid.medians(middles[held], np.nan_to_num(speed * sure)[held]), grid.cells(4.0))
    return deviations(paced, SLOWEST)


def _subject(video_features: VideoFeatures, grid: Grid) -> Curve:
    """From `WITHOUT_SUBJECT` to 1: how sure it is that something is there to be followed."""
    if video_features.subject_times.size == 0:
        return np.full(grid.count, WITHOUT_SUBJECT)
    sure = np.nan_to_num(video_features.subjects[:, 4].astype(np.float64), nan=0.0)
    held = smooth(grid.medians(video_features.subject_times, sure), grid.cells(3.0))
    return np.asarray(WITHOUT_SUBJECT + (1.0 - WITHOUT_SUBJECT) * np.clip(held, 0.0, 1.0))


def _cuts(video_features: VideoFeatures, grid: Grid) -> Curve:
    cuts = video_features.cuts
    if cuts.size == 0:
        return grid.zeros()
    apart = np.concatenate([[True], np.diff(cuts) > MOMENT_S])
    counted = grid.counts(cuts[apart], np.ones(int(apart.sum())))
    width = grid.cells(CUT_WINDOW_S)
    density = smooth(counted, width) * width  # cuts in the window
    return deviations(density, 1.0)
