"""Windows of speech: where somebody speaks in a block of samples in, what is recognised at once
out.

Whisper hears 30 s at a time, at the same cost however little is said in them. So the spans of
speech are put together, without the silences between them, until a window is full. Positions are
samples of the block.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

RATE = 16_000
WINDOW_S = 30.0
BLOCK_S = 60.0  # heard to fill one window
LONGEST_SPAN_S = 29.0  # longer speech is split at its pauses
KEPT_S = 1.0  # of a block without speech: what may be the beginning of a word

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """`spans` are put together; `consumed` is where the next block begins."""

    spans: tuple[Span, ...]
    consumed: int

    @property
    def samples(self) -> int:
        return sum(end - start for start, end in self.spans)

    def source_s(self, time_s: float, within_s: float) -> float:
        """The second of the block at which `time_s` of the window is; that of an end which lies in
        the same span as `within_s`."""
        ends = self._ends()
        number = min(bisect_right(ends, within_s * RATE), len(ends) - 1)
        start, end = self.spans[number]
        begins = ends[number] - (end - start)
        position = start + time_s * RATE - begins
        return min(max(position, start), end) / RATE

    def _ends(self) -> list[int]:
        ends, total = [], 0
        for start, end in self.spans:
            total += end - start
            ends.append(total)
        return ends


def next_window(speech: Sequence[Span], samples: int, *, last: bool) -> Window:
    """The first window of a block of `samples`, in which `speech` was found (in order, without
    overlaps). `last`: nothing follows the block."""
    if not speech:
        consumed = samples if last else max(samples // 2, samples - round(KEPT_S * RATE))
        return Window((), consumed)
    taken: list[Span] = []
    total = 0
    for start, end in speech:
        if taken and total + end - start > WINDOW_S * RATE:
            return Window(tuple(taken), start)
        is_open = not last and end >= samples - round(KEPT_S * RATE)
        if taken and is_open:  # it may go on after the block
            return Window(tuple(taken), start)
        taken.append((start, end))
        total += end - start
    return Window(tuple(taken), samples if last else max(taken[-1][1], samples // 2))
