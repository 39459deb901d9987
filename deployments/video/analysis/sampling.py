"""Which frames to look for a subject in, and their boxes, as frames of one chunk come.

In: small pictures with their time. Out: boxes for samples whose neighbours are all in the chunk,
and the pictures at its borders, from which merging makes the rest. The first frame of a chunk is
taken as a sample for the time being; merging knows whether it is one.
"""

from array import array
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.chunk import HEAD, REACH, SAMPLES_PER_S, TAIL
from deployments.video.analysis.faces import FaceDetector
from deployments.video.analysis.frame_signature import Picture, apply_rotation
from deployments.video.analysis.subjects import NOTHING, Box, MotionSample, sample, subject


def slot(pts: int, time_base: Fraction, origin: Fraction) -> int:
    """The number of the fifth of a second that a time stamp lies in. The first frame in one is a
    sample."""
    return (pts * time_base - origin) * SAMPLES_PER_S // 1


class SubjectSampler:
    """`still`: pictures are too far apart to see movement in them."""

    def __init__(self, rotation: int, still: bool, faces: FaceDetector | None) -> None:
        self._rotation, self._still, self._faces = rotation, still, faces
        self._slot: int | None = None
        self._last: list[tuple[MotionSample, Picture]] = []
        self._boxes = bytearray()
        self._found = bytearray()
        self._head: list[Picture] = []
        self.sampled = array("q")

    def push(self, frame: int, at: int, picture: Picture) -> None:
        """The frame's number in the chunk, its `slot`, and its picture as it is stored."""
        if at == self._slot:
            return
        self._slot = at
        turned = np.ascontiguousarray(apply_rotation(picture, self._rotation))
        self.sampled.append(frame)
        if len(self._head) < HEAD:
            self._head.append(turned)
        self._found += self._face(at, turned).tobytes()
        self._last = [*self._last[-2 * REACH :], (sample(turned), turned)]
        self._look()

    def boxes(self) -> NDArray[np.float32]:
        missing = len(self.sampled) - len(self._boxes) // NOTHING.nbytes
        return _rows(bytes(self._boxes) + NOTHING.tobytes() * missing)

    def faces(self) -> NDArray[np.float32]:
        return _rows(bytes(self._found))

    def pictures(self) -> Sequence[Picture]:
        return [*self._head, *(picture for _, picture in self._last[-TAIL:])]

    def _face(self, at: int, picture: Picture) -> Box:
        """Looked for once a second: that costs as much as decoding a few frames."""
        if self._faces is None or at % SAMPLES_PER_S:
            return NOTHING
        return self._faces.find(picture)

    def _look(self) -> None:
        """The sample `REACH` before the newest; the first have neighbours in another chunk."""
        count = len(self.sampled)
        if self._still:
            self._boxes += subject(None, self._last[-1][0], None).tobytes()
        elif count > 2 * REACH + 1:
            kept = [one for one, _ in self._last]
            before, now, after = kept[REACH - 1 : REACH + 2]
            self._boxes += subject(before, now, after, (kept[0], kept[-1])).tobytes()
        elif count > REACH:
            self._boxes += NOTHING.tobytes()


def _rows(blob: bytes) -> NDArray[np.float32]:
    return np.frombuffer(blob, np.float32).reshape(-1, NOTHING.size)
