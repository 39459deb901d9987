"""Features of a recording from those of its chunks: the same bits however it was split.

What lies across a border is measured here, with the same functions, from what both sides handed
over: the first frames' distances to those before them, and the boxes at samples that lack a
neighbour in their chunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import (
    MediaFeatures,
    MediaInfo,
    Seconds,
    Times,
    Values,
    VideoFeatures,
)
from deployments.video.analysis.chunk import HEAD, REACH, ChunkFeatures, Heard
from deployments.video.analysis.cuts import cuts_of_keyframes, detect_cuts
from deployments.video.analysis.frame_difference import LAGS, FrameDifferencer
from deployments.video.analysis.frame_signature import Grid, Picture, difference, with_neighbourhood
from deployments.video.analysis.sampling import slot
from deployments.video.analysis.subject_priority import merge_faces_and_motion
from deployments.video.analysis.subjects import NOTHING, Box, MotionSample, sample, subject
from deployments.video.errors import MediaDamaged

ANALYSIS_VERSION = 2
FAST_VERSION = 1002  # keyframes only: other measures
SHORT_S: Seconds = 0.5  # by this much a recording may fall short of its header


def merge(info: MediaInfo, parts: Sequence[ChunkFeatures], heard: Heard | None) -> MediaFeatures:
    """`parts` in any order, all of one recording; none for one without pictures.

    Raises MediaDamaged: nothing could be decoded.
    """
    parts = sorted(parts, key=lambda part: part.chunk.index)
    filled = [part for part in parts if part["pts"].size]
    if not filled and heard is None:
        raise MediaDamaged("Neither a picture nor sound could be decoded.")
    seen = _sight(filled, info.duration) if filled else None
    end = max(seen.shown[1] if seen and seen.shown else 0.0, heard.end if heard else 0.0)
    errors = sum(part.errors for part in parts) + (heard.errors if heard else 0)
    lost = (info.video is not None and seen is None) or (bool(info.audio) and heard is None)
    return MediaFeatures(
        version=FAST_VERSION if _fast(parts) else ANALYSIS_VERSION,
        duration=end,
        partial=lost or errors > 0 or end < info.duration - _slack(parts),
        sight=seen,
        hearing=heard.hearing if heard else None,
    )


def _fast(parts: Sequence[ChunkFeatures]) -> bool:
    return any(part.chunk.mode == "fast" for part in parts)


def _slack(parts: Sequence[ChunkFeatures]) -> Seconds:
    """The last keyframe may be long before the end."""
    return np.inf if _fast(parts) else SHORT_S


def _shown(parts: Sequence[ChunkFeatures], duration: Seconds) -> tuple[Seconds, Seconds]:
    """When the first picture comes and the last one goes. What packets say of their length is
    taken up to the header's, which damage may go far beyond."""
    seen = float(parts[-1].times()[-1]) + parts[-1].step
    return float(parts[0].times()[0]), max(seen, min(parts[-1].end(), duration))


def _sight(parts: Sequence[ChunkFeatures], duration: Seconds) -> VideoFeatures:
    times = np.concatenate([part.times() for part in parts])
    rows, motion = _across(parts)
    found = cuts_of_keyframes(rows) if _fast(parts) else detect_cuts(rows)
    cut_times = times[found]
    subject_times, subjects = _subjects(parts, cut_times)
    return VideoFeatures(
        times=times,
        luma=np.concatenate([part["luma"] for part in parts]),
        motion=motion,
        change=np.nan_to_num(rows[:, 0]),
        cuts=cut_times,
        subject_times=subject_times,
        subjects=subjects,
        shown=_shown(parts, duration),
    )


def _across(parts: Sequence[ChunkFeatures]) -> tuple[NDArray[np.float32], Values]:
    """All rows of distances and all motion, with what the first frames of each chunk lacked."""
    all_rows, all_motion = [], []
    before: list[Grid] = []
    last: Picture | None = None
    for part in parts:
        rows, motion = part["rows"].copy(), part["motion"].copy()
        if before:
            changes = FrameDifferencer(before)
            for number, value in enumerate(part["head"]):
                rows[number] = changes.push(with_neighbourhood(value))
        if last is not None:
            motion[0] = difference(part["edges"][0], last)
        all_rows.append(rows)
        all_motion.append(motion)
        before = [*before, *part["tail"]][-LAGS:]
        last = part["edges"][-1]
    return np.concatenate(all_rows), np.concatenate(all_motion)


@dataclass(frozen=True, slots=True)
class _Sampled:
    """One sample; `box` is None where its chunk could not tell."""

    time: Seconds
    box: Box | None
    face: Box
    picture: Picture | None


def _subjects(parts: Sequence[ChunkFeatures], cut_times: Times) -> tuple[Times, Values]:
    samples = [kept for number, part in enumerate(parts) for kept in _kept(part, parts[:number])]
    times = np.array([kept.time for kept in samples], np.float64)
    boxes = np.array([_box(samples, number) for number in range(len(samples))], np.float32)
    faces = np.array([kept.face for kept in samples], np.float32)
    return times, merge_faces_and_motion(times, boxes, faces, cut_times)


def _kept(part: ChunkFeatures, earlier: Sequence[ChunkFeatures]) -> list[_Sampled]:
    """The samples of one chunk, less its first if that fifth of a second had one before."""
    count, sampled = len(part["sampled"]), part["sampled"]
    heads = min(count, HEAD)
    pictures = dict(enumerate(part["pictures"][:heads]))
    tails = part["pictures"][heads:]
    pictures |= {count - len(tails) + number: picture for number, picture in enumerate(tails)}
    still = part.chunk.mode == "fast"
    whole = range(count) if still else range(REACH + 1, count - REACH)
    times = part.times()
    kept = [
        _Sampled(
            time=float(times[sampled[number]]),
            box=part["boxes"][number] if number in whole else None,
            face=part["faces"][number],
            picture=pictures.get(number),
        )
        for number in range(count)
    ]
    return kept[1:] if earlier and _same_slot(earlier[-1], part) else kept


def _same_slot(before: ChunkFeatures, part: ChunkFeatures) -> bool:
    last, first = (
        slot(int(pts), part.time_base, part.origin) for pts in (before["pts"][-1], part["pts"][0])
    )
    return last == first


def _box(samples: Sequence[_Sampled], number: int) -> Box:
    here = samples[number]
    if here.box is not None:
        return here.box
    before, now, after = (_sampled(samples, near) for near in (number - 1, number, number + 1))
    far = [_sampled(samples, number + reach) for reach in (-REACH, REACH)]
    return NOTHING.copy() if now is None else subject(before, now, after, far)


def _sampled(samples: Sequence[_Sampled], number: int) -> MotionSample | None:
    picture = samples[number].picture if 0 <= number < len(samples) else None
    return None if picture is None else sample(picture)
