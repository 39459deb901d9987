"""What crosses between the pieces of an analysis: which stretch to decode, and what came of it."""

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
REACH = SAMPLES_PER_S  # samples before and after one that its subject is told from
HEAD, TAIL = 2 * REACH + 1, 2 * REACH  # sampled pictures that a chunk hands over at its borders

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
    """Frames with presentation times from `begin` to before `end` (in units of the stream; None:
    the recording's own), decoded with `threads` threads (0: several, as its pictures allow).

    `share` is about how much of the recording that is. With `fast`, keyframes only.
    """

    index: int
    begin: int | None
    end: int | None
    share: float = 1.0
    threads: int = 1
    mode: Mode = "exact"


@dataclass(frozen=True, slots=True, eq=False)
class ChunkFeatures:
    """What was measured in a chunk of n frames. `origin` is the time stamp of second 0.

    `pts` (n) rises. `luma`, `motion` (n) and `rows` (n, LAGS) are as in `changes.Frames`, with its
    `head` and `tail`; `edges` are its first and last small picture. `sampled` (s) are the numbers
    of the frames at which a subject was looked for, `boxes` and `faces` (s, 5) what was found;
    `pictures` are those of the first HEAD and the last TAIL of them, which lack neighbours.
    `step` is how long the last frame is shown. `ends` is the time stamp at which the last picture
    goes, by its own length; None: the file does not say. With `fast` that is the last of all.
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
        """When the last picture goes. Needs a frame."""
        last = float(self.times()[-1]) + self.step
        if self.ends is None:
            return last
        return max(last, float(self.ends * self.time_base - self.origin))


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was heard, until when (seconds of the source), and how many errors were skipped."""

    hearing: AudioFeatures
    end: Seconds
    errors: int
