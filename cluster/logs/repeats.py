"""Lines that repeat are sampled: a fault that is met a thousand times a second fills no disk.

In: records. Out: whether to write one, and how many equal ones were left out before it. Lines are
equal if logger, level and message template are. In each window of WINDOW_S the first FIRST are
written, then one of EVERY; debug lines are all written. Bounded by MAX_KINDS kinds of lines.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass

from cluster.runtime.clock import Clock

WINDOW_S = 10.0
FIRST = 20
EVERY = 100
MAX_KINDS = 1_000

_Kind = tuple[str, int, str]


@dataclass(slots=True)
class _RepeatWindow:
    since: float  # when the window began
    seen: int = 0
    suppressed: int = 0


class RepeatSampler:
    """Of one process. Call it under the handler's lock, as logging does."""

    def __init__(self, clock: Clock) -> None:
        self.suppressed = 0
        self._clock = clock
        self._repeats_of: OrderedDict[_Kind, _RepeatWindow] = OrderedDict()

    def sample(self, record: logging.LogRecord) -> int | None:
        """None: leave it out; else how many equal lines were left out since the last one."""
        if record.levelno <= logging.DEBUG:
            return 0
        repeats = self._repeats(record)
        repeats.seen += 1
        if repeats.seen > FIRST and (repeats.seen - FIRST) % EVERY:
            repeats.suppressed += 1
            self.suppressed += 1
            return None
        suppressed, repeats.suppressed = repeats.suppressed, 0
        return suppressed

    def _repeats(self, record: logging.LogRecord) -> _RepeatWindow:
        now, kind = self._clock.monotonic(), (record.name, record.levelno, str(record.msg))
        repeats = self._repeats_of.get(kind)
        if repeats is None:
            repeats = self._repeats_of[kind] = _RepeatWindow(now)
            if len(self._repeats_of) > MAX_KINDS:
                self._repeats_of.popitem(last=False)
            return repeats
        self._repeats_of.move_to_end(kind)
        if now - repeats.since >= WINDOW_S:
            repeats.since, repeats.seen = now, 0
        return repeats
