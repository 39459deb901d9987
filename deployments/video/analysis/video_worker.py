"""Sandboxed child: decodes and measures one chunk's pictures. A request in, a file of measures out.

Every frame is scaled once to a small gray picture and a few colours. Decoding begins at the chunk's
keyframe and continues to the first frame of the next chunk: frames are decoded in presentation
order, so leading frames of an open GOP come before that one.
"""

from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.decoding.frames import FrameDecoder, first_second
from deployments.sandbox.child import run_child
from deployments.sandbox.errors import MediaDamaged
from deployments.sandbox.inputs import open_media
from deployments.video.analysis.arrays import write
from deployments.video.analysis.downscale import FrameDownscaler
from deployments.video.analysis.faces import create_face_detector
from deployments.video.analysis.frame_difference import FrameMeasures
from deployments.video.analysis.frame_signature import TILE
from deployments.video.analysis.sampling import SubjectSampler, slot

EARLIER_S = (0.0, 2.0, 10.0)  # earlier starts, tried in turn if decoding misses the first frame


def analyze_frames(request: dict[str, Any]) -> dict[str, Any]:
    """Writes the measures of one chunk to `request["out"]`. Raises MediaDamaged: no frame.

    With several threads, a decoder's frames around damage are not deterministic; a damaged chunk is
    therefore decoded again with one thread.
    """
    analyzer = _analyze_with_retries(request)
    if analyzer.errors and request["threads"] != 1:
        analyzer = _analyze_with_retries({**request, "threads": 1})
    if not analyzer.pts and request["begin"] is None:
        raise MediaDamaged("Not one picture could be decoded.")
    write(Path(request["out"]), analyzer.measures())
    return analyzer.facts()


def _analyze_with_retries(request: dict[str, Any]) -> "_FrameAnalyzer":
    for earlier_s in EARLIER_S:
        analyzer = _FrameAnalyzer(request)
        if analyzer.decode(earlier_s):
            return analyzer
    analyzer = _FrameAnalyzer(request)
    analyzer.decode(None)
    return analyzer


class _FrameAnalyzer:
    def __init__(self, request: dict[str, Any]) -> None:
        self._begin, self._end = request["begin"], request["end"]
        self._width, self._height = request["size"]
        container = open_media(request["name"], request["threads"])
        stream = container.streams[request["stream"]]
        stream.codec_context.thread_type = "AUTO"
        fast = request["mode"] == "fast"
        if fast:
            stream.codec_context.skip_frame = "NONKEY"
        self._fast = fast
        self._ends: int | None = None
        self._container, self._stream = container, stream
        self._decoder = FrameDecoder(container, stream)
        self._time_base, self._origin = stream.time_base, first_second(container)
        self._step = 1 / (stream.average_rate or Fraction(25))
        self._scale = FrameDownscaler(self._width, self._height)
        self._frames = FrameMeasures()
        self._subjects = SubjectSampler(request["rotation"], fast, create_face_detector())
        self.pts = array("q")

    def decode(self, earlier_s: float | None) -> bool:
        """Decodes the chunk, from `earlier_s` before it (None: from the start of the recording).

        Returns False if its first frame was missed: it has to start earlier.
        """
        if self._begin is not None and earlier_s is not None:
            self._decoder.seek(int(self._begin - earlier_s / self._time_base))
        with self._container:
            for pts, frame in self._frames_in_chunk():
                if not self.pts and earlier_s is not None and self._begin not in (None, pts):
                    return False
                self._push(pts, frame)
        return bool(self.pts) or earlier_s is None

    @property
    def errors(self) -> int:
        return self._decoder.errors

    def measures(self) -> dict[str, NDArray[Any]]:
        frames, subjects = self._frames, self._subjects
        edges = [picture for picture in (frames.first, frames.last) if picture is not None]
        grid = (3, self._height // TILE, self._width // TILE)
        return {
            "pts": np.array(self.pts, np.int64),
            "luma": np.array(frames.luma, np.float32),
            "motion": np.array(frames.motion, np.float32),
            "rows": frames.rows(),
            "head": np.array(frames.head, np.int16).reshape(-1, *grid),
            "tail": np.array(frames.tail, np.int16).reshape(-1, *grid),
            "edges": np.array(edges, np.uint8).reshape(-1, self._height, self._width),
            "sampled": np.array(subjects.sampled, np.int64),
            "boxes": subjects.boxes(),
            "faces": subjects.faces(),
            "pictures": np.array(subjects.pictures(), np.uint8).reshape(
                -1, *self._upright_shape((self._height, self._width))
            ),
        }

    def _upright_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        pictures = self._subjects.pictures()
        return pictures[0].shape if pictures else shape

    def facts(self) -> dict[str, Any]:
        return {
            "time_base": [self._time_base.numerator, self._time_base.denominator],
            "origin": [self._origin.numerator, self._origin.denominator],
            "step": float(self._step),
            "errors": self.errors,
            "ends": self._decoder.ends if self._fast else self._ends,
        }

    def _frames_in_chunk(self) -> Iterator[tuple[int, Any]]:
        """Frames within the chunk whose time stamps rise."""
        last = None
        for frame in self._decoder.frames():
            pts = self._time_stamp(frame, last)
            if self._end is not None and pts >= self._end:
                return
            if (last is None or pts > last) and (self._begin is None or pts >= self._begin):
                last = pts
                yield pts, frame

    def _time_stamp(self, frame: Any, last: int | None) -> int:
        """A frame's time stamp; estimated from the one before if the file has none."""
        if frame.pts is not None:
            return int(frame.pts)
        if frame.dts is not None and last is None:
            return int(frame.dts)
        return 0 if last is None else last + max(1, round(self._step / self._time_base))

    def _push(self, pts: int, frame: Any) -> None:
        picture, colours = self._scale(frame)
        self._frames.push(picture, colours)
        slot_number = slot(pts, self._time_base, self._origin)
        self._subjects.push(len(self.pts), slot_number, picture)
        self.pts.append(pts)
        self._ends = pts + int(frame.duration or 0)


if __name__ == "__main__":
    run_child(analyze_frames)
