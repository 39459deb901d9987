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
class _Window:
    since: float
    seen: int = 0
    suppressed: int = 0


class RepeatSampler:
    """Of one process. Call it under the handler's lock, as logging does."""

    def __init__(self, clock: Clock) -> None:
        self.suppressed = 0
        self._clock = clock
        self._windows: OrderedDict[_Kind, _Window] = OrderedDict()

    def sample(self, record: logging.LogRecord) -> int | None:
        """None: leave it out; else how many equal lines were left out since the last one."""
        if record.levelno <= logging.DEBUG:
            return 0
        window = self._window(record)
        window.seen += 1
        if window.seen > FIRST and (window.seen - FIRST) % EVERY:
            window.suppressed += 1
            self.suppressed += 1
            return None
        suppressed, window.suppressed = window.suppressed, 0
        return suppressed

    def _window(self, record: logging.LogRecord) -> _Window:
        now, kind = self._clock.monotonic(), (record.name, record.levelno, str(record.msg))
        window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = _Window(now)
            if len(self._windows) > MAX_KINDS:
                self._windows.popitem(last=False)
            return window
        self._windows.move_to_end(kind)
        if now - window.since >= WINDOW_S:
            window.since, window.seen = now, 0
        return window
