"""The values of the analysis tasks: the chunk to decode, and its features."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import AudioFeatures, Seconds
from deployments.video.analysis.arrays import Layout
from deployments.video.analysis.frame_difference import LAGS

Mode = Literal["exact", "fast"]
SAMPLES_PER_S = 5
SUBJECT_REACH = SAMPLES_PER_S  # samples before and after one that its subject depends on
HEAD, TAIL = (
    2 * SUBJECT_REACH + 1,
    2 * SUBJECT_REACH,
)  # sampled pictures that a chunk passes on at its borders

LAYOUT: Layout = {
    "pts": ("<i8", ("n",)),
    "luma": ("<f4", ("n",)),
    "motion": ("<f4", ("n",)),
    "rows": ("<f4", ("n", LAGS)),
    "head": ("<i2", ("h", 3, "r", "c")),
    "tail": ("<i2", ("t", 3, "r", "c")),
    "edges": ("|u1", ("e", "y", "x")),
    "sampled": ("<i8", ("s",)),
    "boxes": ("<f4", ("s", 5)),
    "faces": ("<f4", ("s", 5)),
    "pictures": ("|u1", ("p", "v", "u")),
}


@dataclass(frozen=True, slots=True)
class AnalysisChunk:
    """Frames with presentation times in [`begin`, `end`), in units of the stream (None: those of
    the recording), decoded with `threads` threads (0: as many as the size of its pictures allows).

    `share` is the approximate share of the recording. Mode `fast` decodes keyframes only.
    """

    index: int
    begin: int | None
    end: int | None
    share: float = 1.0
    threads: int = 1
    mode: Mode = "exact"


@dataclass(frozen=True, slots=True, eq=False)
class ChunkFeatures:
    """The measures of a chunk of n frames. `origin` is the time stamp of second 0.

    `pts` (n) rises. `luma`, `motion` (n) and `rows` (n, LAGS) are as in `FrameMeasures`, with its
    `head` and `tail`; `edges` are its first and last small picture. `sampled` (s) are the numbers
    of the frames searched for a subject, `boxes` and `faces` (s, 5) the results; `pictures` are
    those of the first HEAD and the last TAIL of these frames, which lack neighbours. `step` is how
    long the last frame is shown. `ends` is the time stamp at which the last picture ends, by its
    packet's duration; None: unknown. In mode `fast` it is that of the last packet of the stream.
    """

    chunk: AnalysisChunk
    time_base: Fraction
    origin: Fraction
    step: Seconds
    errors: int
    arrays: dict[str, NDArray[Any]] = field(repr=False)
    ends: int | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def times(self) -> NDArray[np.float64]:
        """Seconds of the source for each frame."""
        base, origin = self.time_base, self.origin
        return self["pts"] * np.float64(base) - np.float64(origin)

    def end(self) -> Seconds:
        """When the last picture ends. Requires a frame."""
        last = float(self.times()[-1]) + self.step
        if self.ends is None:
            return last
        return max(last, float(self.ends * self.time_base - self.origin))


@dataclass(frozen=True, slots=True, eq=False)
class AudioAnalysis:
    """The features of the sound, its end (seconds of the source), and the number of errors."""

    features: AudioFeatures
    end: Seconds
    errors: int
