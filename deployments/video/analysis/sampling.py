"""Samples frames of one chunk for subjects.

In: small pictures with their time. Out: boxes of samples whose neighbours are all in the chunk, and
the pictures at its borders, from which merging computes the others. The first frame of a chunk is a
preliminary sample; merging decides whether it is kept.
"""

from array import array
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.chunk import HEAD, SAMPLES_PER_S, SUBJECT_REACH, TAIL
from deployments.video.analysis.faces import FaceDetector
from deployments.video.analysis.frame_signature import Picture, apply_rotation
from deployments.video.analysis.subjects import NOTHING, Box, MotionSample, sample, subject


def slot(pts: int, time_base: Fraction, origin: Fraction) -> int:
    """The fifth of a second that contains a time stamp. The first frame of each is a sample."""
    return (pts * time_base - origin) * SAMPLES_PER_S // 1


class SubjectSampler:
    """`keyframes_only`: pictures are too far apart to detect movement."""

    def __init__(self, rotation: int, keyframes_only: bool, faces: FaceDetector | None) -> None:
        self._rotation, self._keyframes_only, self._faces = rotation, keyframes_only, faces
        self._slot: int | None = None
        self._recent: list[tuple[MotionSample, Picture]] = []
        self._box_rows = bytearray()
        self._face_rows = bytearray()
        self._head: list[Picture] = []
        self.sampled = array("q")

    def push(self, frame: int, slot_number: int, picture: Picture) -> None:
        """The frame's number in the chunk, its `slot`, and its picture as it is stored."""
        if slot_number == self._slot:
            return
        self._slot = slot_number
        upright = np.ascontiguousarray(apply_rotation(picture, self._rotation))
        self.sampled.append(frame)
        if len(self._head) < HEAD:
            self._head.append(upright)
        self._face_rows += self._find_face(slot_number, upright).tobytes()
        self._recent = [*self._recent[-2 * SUBJECT_REACH :], (sample(upright), upright)]
        self._add_box()

    def boxes(self) -> NDArray[np.float32]:
        missing = len(self.sampled) - len(self._box_rows) // NOTHING.nbytes
        return _rows(bytes(self._box_rows) + NOTHING.tobytes() * missing)

    def faces(self) -> NDArray[np.float32]:
        return _rows(bytes(self._face_rows))

    def pictures(self) -> Sequence[Picture]:
        return [*self._head, *(picture for _, picture in self._recent[-TAIL:])]

    def _find_face(self, slot_number: int, picture: Picture) -> Box:
        """Searched once a second, because it costs as much as decoding a few frames."""
        if self._faces is None or slot_number % SAMPLES_PER_S:
            return NOTHING
        return self._faces.find(picture)

    def _add_box(self) -> None:
        """Of the sample `SUBJECT_REACH` before the newest; the first ones need another chunk."""
        count = len(self.sampled)
        if self._keyframes_only:
            self._box_rows += subject(None, self._recent[-1][0], None).tobytes()
        elif count > 2 * SUBJECT_REACH + 1:
            samples = [one for one, _ in self._recent]
            before, now, after = samples[SUBJECT_REACH - 1 : SUBJECT_REACH + 2]
            self._box_rows += subject(before, now, after, (samples[0], samples[-1])).tobytes()
        elif count > SUBJECT_REACH:
            self._box_rows += NOTHING.tobytes()


def _rows(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, np.float32).reshape(-1, NOTHING.size)
