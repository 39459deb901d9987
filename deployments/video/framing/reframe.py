"""Auto-reframe: video features of a span in, the framing of one aspect out.

Pure and deterministic. Shots are framed one by one, so that no pan crosses a cut; then spans too
short to be noticed take the kind of their neighbours.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from deployments.contracts.clips import AspectName, CropKeyframe, Framing
from deployments.contracts.media import MediaInfo, Seconds, VideoFeatures
from deployments.video.framing.shots import Shot, frame_shot
from deployments.video.framing.sizes import crop_share
from deployments.video.framing.subjects import track

_SHORTEST_STRETCH_S = 1.5
_SHORTEST_SHOT_S = 0.02
_MOSTLY_FIT = 0.8  # of the clip
Mode = Literal["auto", "follow", "fit"]
Stretch = tuple[Seconds, Seconds, bool]


def frame(
    video_features: VideoFeatures | None,
    info: MediaInfo,
    start: Seconds,
    end: Seconds,
    aspect: AspectName,
    mode: Mode,
) -> Framing:
    """Frames `start` to `end` of the source for `aspect`.

    `fit` shows the whole picture, `follow` always a crop (centred without features), `auto` decides
    by shot. A source of the same shape is shown whole in every mode, and so is the waveform of a
    recording without a picture. Raises ValueError unless start < end.
    """
    if not start < end:
        raise ValueError("a clip ends after it starts")
    if info.video is None:
        return Framing(aspect, fit=True)
    width, height = crop_share(info, aspect)
    if width == height == 1.0:
        return Framing(aspect, fit=False, keys=(CropKeyframe(start, 0.0, 0.0),))
    if mode == "fit":
        return Framing(aspect, fit=True)
    axis, share = (0, width) if width < 1 else (1, height)
    shots = [
        frame_shot(track(video_features, first, last, axis), first, last, share)
        for first, last in _shots(video_features, start, end)
    ]
    fits = _fits(shots) if mode == "auto" else ()
    if sum(last - first for first, last in fits) >= _MOSTLY_FIT * (end - start):
        return Framing(aspect, fit=True)
    return Framing(aspect, False, width, height, _keys(shots, axis), fits)


def _shots(
    video_features: VideoFeatures | None, start: Seconds, end: Seconds
) -> list[tuple[Seconds, Seconds]]:
    edges = [start]
    for cut in () if video_features is None else np.sort(video_features.cuts).tolist():
        if cut - edges[-1] >= _SHORTEST_SHOT_S and end - cut >= _SHORTEST_SHOT_S:
            edges.append(cut)
    return list(zip(edges, [*edges[1:], end], strict=True))


def _fits(shots: Sequence[Shot]) -> tuple[tuple[Seconds, Seconds], ...]:
    """The spans that show the whole picture; the shortest change their kind until all are long
    enough."""
    stretches = _merge([(shot.start, shot.end, shot.lost) for shot in shots])
    while len(stretches) > 1:
        shortest = min(stretches, key=lambda stretch: stretch[1] - stretch[0])
        if shortest[1] - shortest[0] >= _SHORTEST_STRETCH_S:
            break
        index = stretches.index(shortest)
        stretches[index] = (*shortest[:2], not shortest[2])
        stretches = _merge(stretches)
    return tuple((first, last) for first, last, is_fit in stretches if is_fit)


def _merge(stretches: Sequence[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for stretch in stretches:
        if merged and merged[-1][2] == stretch[2]:
            merged[-1] = (merged[-1][0], *stretch[1:])
        else:
            merged.append(stretch)
    return merged


def _keys(shots: Sequence[Shot], axis: int) -> tuple[CropKeyframe, ...]:
    keyframes: list[CropKeyframe] = []
    for shot in shots:
        for i, (time, position) in enumerate(shot.places):
            x, y = (position, 0.0) if axis == 0 else (0.0, position)
            keyframes.append(CropKeyframe(time, x, y, jump=i == 0 and bool(keyframes)))
    return tuple(keyframes)
