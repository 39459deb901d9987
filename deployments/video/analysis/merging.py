"""Merges the features of chunks into those of a recording: the same bits for every split.

Measures across a border are computed here, with the same functions, from what both chunks pass on:
the first frames' distances to their predecessors, and the boxes of samples whose neighbours are in
another chunk. Faces take precedence over movement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
from deployments.sandbox.errors import MediaDamaged
from deployments.video.analysis.chunk import HEAD, SUBJECT_REACH, AudioAnalysis, ChunkFeatures
from deployments.video.analysis.frame_difference import (
    LAGS,
    FrameDifferencer,
    cuts_of_keyframes,
    detect_cuts,
)
from deployments.video.analysis.frame_signature import Grid, Picture, difference, with_neighbourhood
from deployments.video.analysis.sampling import slot
from deployments.video.analysis.subjects import NOTHING, Box, MotionSample, sample, subject

ANALYSIS_VERSION = 3
FAST_VERSION = 1003  # keyframes only: other measures
MAX_SHORTFALL_S: Seconds = 0.5  # by so much a recording may be shorter than its header says


MAX_FACE_GAP_S: Seconds = 1.5


def merge(
    info: MediaInfo, parts: Sequence[ChunkFeatures], audio: AudioAnalysis | None
) -> MediaFeatures:
    """`parts` in any order, all of one recording; none for one without pictures.

    Raises MediaDamaged if nothing could be decoded.
    """
    parts = sorted(parts, key=lambda part: part.chunk.index)
    decoded = [part for part in parts if part["pts"].size]
    if not decoded and audio is None:
        raise MediaDamaged("Neither a picture nor sound could be decoded.")
    video = _video_features(decoded, info.duration) if decoded else None
    end = max(video.shown[1] if video and video.shown else 0.0, audio.end if audio else 0.0)
    errors = sum(part.errors for part in parts) + (audio.errors if audio else 0)
    is_incomplete = (info.video is not None and video is None) or (
        bool(info.audio) and audio is None
    )
    return MediaFeatures(
        version=FAST_VERSION if _is_keyframes_only(parts) else ANALYSIS_VERSION,
        duration=end,
        partial=is_incomplete or errors > 0 or end < info.duration - _slack(parts),
        video=video,
        audio=audio.features if audio else None,
    )


def _is_keyframes_only(parts: Sequence[ChunkFeatures]) -> bool:
    return any(part.chunk.mode == "fast" for part in parts)


def _slack(parts: Sequence[ChunkFeatures]) -> Seconds:
    """Unlimited for keyframes: the last one may be long before the end."""
    return np.inf if _is_keyframes_only(parts) else MAX_SHORTFALL_S


def _shown(parts: Sequence[ChunkFeatures], duration: Seconds) -> tuple[Seconds, Seconds]:
    """When the first picture comes and the last one ends. Packets' durations count up to the
    header's, because damaged ones may be far too long."""
    last_frame_end = float(parts[-1].times()[-1]) + parts[-1].step
    return float(parts[0].times()[0]), max(last_frame_end, min(parts[-1].end(), duration))


def _video_features(parts: Sequence[ChunkFeatures], duration: Seconds) -> VideoFeatures:
    times = np.concatenate([part.times() for part in parts])
    rows, motion = _join_borders(parts)
    cuts = cuts_of_keyframes(rows) if _is_keyframes_only(parts) else detect_cuts(rows)
    cut_times = times[cuts]
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


def _join_borders(parts: Sequence[ChunkFeatures]) -> tuple[NDArray[np.float32], Values]:
    """All rows of distances and all motion, completed for the first frames of each chunk."""
    all_rows, all_motion = [], []
    previous_tails: list[Grid] = []
    last_picture: Picture | None = None
    for part in parts:
        rows, motion = part["rows"].copy(), part["motion"].copy()
        if previous_tails:
            changes = FrameDifferencer(previous_tails)
            for number, value in enumerate(part["head"]):
                rows[number] = changes.push(with_neighbourhood(value))
        if last_picture is not None:
            motion[0] = difference(part["edges"][0], last_picture)
        all_rows.append(rows)
        all_motion.append(motion)
        previous_tails = [*previous_tails, *part["tail"]][-LAGS:]
        last_picture = part["edges"][-1]
    return np.concatenate(all_rows), np.concatenate(all_motion)


@dataclass(frozen=True, slots=True)
class _SubjectSample:
    """One sample; `box` is None if it depends on a neighbouring chunk."""

    time: Seconds
    box: Box | None
    face: Box
    picture: Picture | None


def _subjects(parts: Sequence[ChunkFeatures], cut_times: Times) -> tuple[Times, Values]:
    samples = [
        sample
        for number, part in enumerate(parts)
        for sample in _samples_of_chunk(part, parts[:number])
    ]
    times = np.array([sample.time for sample in samples], np.float64)
    boxes = np.array([_box(samples, number) for number in range(len(samples))], np.float32)
    faces = np.array([sample.face for sample in samples], np.float32)
    return times, merge_faces_and_motion(times, boxes, faces, cut_times)


def _samples_of_chunk(
    part: ChunkFeatures, earlier: Sequence[ChunkFeatures]
) -> list[_SubjectSample]:
    """The samples of one chunk, without its first if an earlier chunk has a sample in that slot."""
    count, sampled = len(part["sampled"]), part["sampled"]
    heads = min(count, HEAD)
    pictures = dict(enumerate(part["pictures"][:heads]))
    tails = part["pictures"][heads:]
    pictures |= {count - len(tails) + number: picture for number, picture in enumerate(tails)}
    keyframes_only = part.chunk.mode == "fast"
    complete = range(count) if keyframes_only else range(SUBJECT_REACH + 1, count - SUBJECT_REACH)
    times = part.times()
    samples = [
        _SubjectSample(
            time=float(times[sampled[number]]),
            box=part["boxes"][number] if number in complete else None,
            face=part["faces"][number],
            picture=pictures.get(number),
        )
        for number in range(count)
    ]
    return samples[1:] if earlier and _share_slot(earlier[-1], part) else samples


def _share_slot(before: ChunkFeatures, part: ChunkFeatures) -> bool:
    last, first = (
        slot(int(pts), part.time_base, part.origin) for pts in (before["pts"][-1], part["pts"][0])
    )
    return last == first


def _box(samples: Sequence[_SubjectSample], number: int) -> Box:
    current = samples[number]
    if current.box is not None:
        return current.box
    before, now, after = (
        _motion_sample(samples, near) for near in (number - 1, number, number + 1)
    )
    distant = [_motion_sample(samples, number + reach) for reach in (-SUBJECT_REACH, SUBJECT_REACH)]
    return NOTHING.copy() if now is None else subject(before, now, after, distant)


def _motion_sample(samples: Sequence[_SubjectSample], number: int) -> MotionSample | None:
    picture = samples[number].picture if 0 <= number < len(samples) else None
    return None if picture is None else sample(picture)


def merge_faces_and_motion(times: Times, boxes: Values, faces: Values, cuts: Times) -> Values:
    """The box at each of `times`, shape (n, 5): a face's if there is one, else the movement's.
    `faces` is NaN if none was searched or found. Faces are searched once a second; between two in
    one shot the face is taken to move in a straight line."""
    has_face = ~np.isnan(faces[:, 0])
    chosen = np.where(has_face[:, None], faces, boxes)
    for first, second in pairwise(np.flatnonzero(has_face)):
        if _is_same_face(times[first], times[second], cuts):
            between = slice(first + 1, second)
            share = (times[between] - times[first]) / (times[second] - times[first])
            chosen[between] = faces[first] + share[:, None] * (faces[second] - faces[first])
    return chosen.astype(np.float32)


def _is_same_face(one: np.float64, other: np.float64, cuts: Times) -> bool:
    crossed: NDArray[np.bool_] = (cuts > one) & (cuts <= other)
    return bool(other - one <= MAX_FACE_GAP_S) and not crossed.any()
