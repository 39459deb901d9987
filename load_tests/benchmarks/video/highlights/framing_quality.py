"""Q8: how a framing holds the planted subject. In: truth, a framing, a stretch. Out: figures.

A subject counts as held where the whole picture is shown, or where all of its box is in the crop.
It stands still from one hard cut to the next where its centre keeps within `STILL` of the picture
along the pan and no dissolve, which shows two places at once, is under way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.clips import AspectName, Framing
from deployments.contracts.media import MediaInfo, VideoFeatures, VideoTrack
from deployments.video.framing import frame
from load_tests.benchmarks.video.highlights.frames import HEIGHT, WIDTH
from load_tests.benchmarks.video.highlights.ground_truth import GroundTruth, PlannedSubject
from load_tests.benchmarks.video.highlights.metrics import Span

ASPECT: AspectName = "9:16"
Mode = Literal["auto", "follow"]
STILL = 0.05
BLURRED = 0.5 / WIDTH  # the subject is drawn on whole pixels
LATE_S = 0.002  # of time stamps in whole milliseconds
Line = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FramingQuality:
    """`seen` moments have a subject, `inside` of them it is held, `whole` of them the picture is
    shown whole. `drifts`: the crop's travel (pixels of the source) between two hard cuts, where
    the subject stands still. `speed`: of the fastest pan (widths a second). `across`: pans over
    hard cuts."""

    seen: int
    inside: int
    whole: int
    drifts: tuple[float, ...]
    speed: float
    across: int


def measure_framing(truth: GroundTruth, framing: Framing, span: Span) -> FramingQuality:
    subjects = [one for one in truth.subjects if span[0] <= one.time < span[1]]
    times = np.array([one.time for one in subjects])
    uncropped = _find_uncropped(framing, times)
    return FramingQuality(
        len(subjects),
        int((uncropped | _inside(framing, subjects, times)).sum()),
        int(uncropped.sum()),
        tuple(_drifts(truth, framing, span)),
        _speed(framing),
        _across(framing, [cut for cut in truth.cuts if span[0] < cut < span[1]], 1 / truth.fps),
    )


def combine(ones: Iterable[FramingQuality]) -> FramingQuality:
    every = list(ones)
    return FramingQuality(
        sum(one.seen for one in every),
        sum(one.inside for one in every),
        sum(one.whole for one in every),
        tuple(drift for one in every for drift in one.drifts),
        max((one.speed for one in every), default=0.0),
        sum(one.across for one in every),
    )


def frame_recording(
    truth: GroundTruth, video_features: VideoFeatures | None, spans: Sequence[Span], mode: Mode
) -> FramingQuality:
    """All `spans` of a recording, framed by the product; without features, cropped in the
    middle."""
    info = _info(truth)
    return combine(
        measure_framing(truth, frame(video_features, info, *span, ASPECT, mode), span)
        for span in spans
    )


def track_positions(framing: Framing, times: Line) -> Line:
    """The crop's left upper corner at `times`, of shape (n, 2)."""
    keys = framing.keys
    starts = np.array([key.time for key in keys])
    points = np.array([(key.x, key.y) for key in keys])
    jumps = np.array([key.jump for key in keys])
    at = np.maximum(np.searchsorted(starts, times + LATE_S, side="right") - 1, 0)
    after = np.minimum(at + 1, len(keys) - 1)
    length = np.maximum(starts[after] - starts[at], 1e-9)
    share = np.clip((times - starts[at]) / length, 0.0, 1.0)
    share[jumps[after] | (after == at)] = 0.0
    return np.asarray(points[at] + share[:, None] * (points[after] - points[at]))


def _find_uncropped(framing: Framing, times: Line) -> NDArray[np.bool_]:
    if framing.fit or framing.width == framing.height == 1.0:
        return np.ones(times.size, dtype=bool)
    shown = np.zeros(times.size, dtype=bool)
    for start, end in framing.fits:
        shown |= (times >= start - LATE_S) & (times < end - LATE_S)
    return shown


def _inside(framing: Framing, subjects: Sequence[PlannedSubject], times: Line) -> NDArray[np.bool_]:
    if framing.fit or not subjects:
        return np.ones(times.size, dtype=bool)
    near = track_positions(framing, times)
    far = near + (framing.width, framing.height)
    centres = np.array([(one.x, one.y) for one in subjects])
    halves = np.array([(one.width, one.height) for one in subjects]) / 2
    holds = (centres - halves >= near - BLURRED) & (centres + halves <= far + BLURRED)
    return np.asarray(holds.all(axis=1))


def _drifts(truth: GroundTruth, framing: Framing, span: Span) -> Iterable[float]:
    if framing.fit:
        return
    axis, step = (0 if framing.width < 1 else 1), 1 / truth.fps
    edges = [0.0, *truth.cuts, truth.duration]
    fading = [(one.start, one.start + one.dissolve) for one in truth.shots if one.dissolve]
    for begins, ends in zip(edges, edges[1:], strict=False):
        first, last = max(begins, span[0]), min(ends, span[1])
        where = [(one.x, one.y)[axis] for one in truth.subjects if first <= one.time < last]
        mixed = any(first < end and start < last for start, end in fading)
        if len(where) < 2 or max(where) - min(where) > STILL or mixed:
            continue
        crop = track_positions(framing, np.arange(first, last - step / 2, step))[:, axis]
        yield float(np.ptp(crop)) * (WIDTH, HEIGHT)[axis]


def _speed(framing: Framing) -> float:
    pairs = zip(framing.keys, framing.keys[1:], strict=False)
    return max(
        (
            max(abs(then.x - key.x), abs(then.y - key.y)) / max(then.time - key.time, 1e-9)
            for key, then in pairs
            if not then.jump
        ),
        default=0.0,
    )


def _across(framing: Framing, cuts: Sequence[float], frame_s: float) -> int:
    """Straight moves that begin half a frame before a cut at least, and end as long after."""
    moves = [
        (key.time, then.time)
        for key, then in zip(framing.keys, framing.keys[1:], strict=False)
        if not then.jump and (key.x, key.y) != (then.x, then.y)
    ]
    slack = frame_s / 2
    return sum(any(a < cut - slack and b > cut + slack for a, b in moves) for cut in cuts)


def _info(truth: GroundTruth) -> MediaInfo:
    size, rate = (WIDTH, HEIGHT), Fraction(truth.fps)
    track = VideoTrack(
        0, "h264", *size, *size, 0, Fraction(1), rate, False, None, "yuv420p", 8, "sdr", False
    )
    return MediaInfo("matroska", truth.duration, 1, track)
