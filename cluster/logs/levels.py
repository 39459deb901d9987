"""Levels of loggers that are changed in a running process, and go back by themselves.

In: overrides, each for a logger and until a time. Out: levels of Python's loggers, and a file in
the home by which other processes of the machine, and those that start later, learn of them. Of two
overrides of a logger the one that was set later counts, so they may arrive in any order and twice.
"""

import json
import logging
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.logs.schema import ROOT_LOGGER
from cluster.runtime.clock import Clock
from cluster.storage.files import write_private

FILE = "levels.json"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
MAX_OVERRIDES = 50
LOGGER_PATTERN = r"^mobula(\.[a-z_]{1,40}){0,4}$"
_LOGGER = re.compile(LOGGER_PATTERN)
_LONGEST_S = 3_600.0  # between two looks at what has ended: the clock may be set


@dataclass(frozen=True, slots=True)
class LevelOverride:
    """`level` is one of LEVELS; empty: the configured one, which takes an earlier override back.
    `until` and `set_at` are Unix seconds."""

    logger: str
    level: str
    until: float
    set_at: float

    def __post_init__(self) -> None:
        if not _LOGGER.fullmatch(self.logger) or self.level not in ("", *LEVELS):
            raise ValueError(f"not a level of a logger of ours: {self.logger} {self.level}")


class LogLevels:
    """Of one process; from any thread. `folder` holds the file (None: there is none)."""

    def __init__(self, configured: str, folder: Path | None, clock: Clock) -> None:
        self.configured = configured
        self._path = None if folder is None else folder / FILE
        self._clock = clock
        self._overrides: dict[str, LevelOverride] = {}
        self._read_at = 0  # the file's modification time
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()

    def active(self) -> list[LevelOverride]:
        """Those that have not ended, also those that take one back; by logger."""
        now = self._clock.wall()
        with self._lock:
            return sorted(
                (each for each in self._overrides.values() if each.until > now),
                key=lambda each: each.logger,
            )

    def report(self) -> list[dict[str, Any]]:
        """Plain values, for `apply` in other processes."""
        return [asdict(override) for override in self.active()]

    def apply(self, overrides: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Take over what is newer than what is known here; returns `report`. Raises ValueError."""
        parsed = [LevelOverride(**override) for override in overrides]
        with self._lock:
            if self._take_over(parsed):
                self._write()
        return self.report()

    def reload(self) -> None:
        """Take over what another process has written into the file."""
        if self._path is None:
            return
        with suppress(OSError, ValueError, TypeError), self._lock:
            modified = self._path.stat().st_mtime_ns
            if modified == self._read_at:
                return
            self._read_at = modified
            rows = json.loads(self._path.read_bytes())
            self._take_over([LevelOverride(**row) for row in rows])

    def close(self) -> None:
        """Go back to the configured levels."""
        with self._lock:
            self._overrides.clear()
            self._set_levels()

    def _take_over(self, overrides: Sequence[LevelOverride]) -> bool:
        now, changed = self._clock.wall(), False
        for override in overrides:
            known = self._overrides.get(override.logger)
            is_newer = known is None or known.set_at < override.set_at
            if override.until > now and is_newer:
                self._set(override)
                changed = True
        if changed:
            self._set_levels()
        return changed

    def _set(self, override: LevelOverride) -> None:
        self._overrides[override.logger] = override
        if len(self._overrides) > MAX_OVERRIDES:
            oldest = min(self._overrides.values(), key=lambda each: each.set_at)
            del self._overrides[oldest.logger]
            self._level(oldest.logger, "")

    def _set_levels(self) -> None:
        """Levels of what is active; those that ended are forgotten."""
        now = self._clock.wall()
        for name, override in list(self._overrides.items()):
            if override.until <= now:
                del self._overrides[name]
            self._level(name, override.level if override.until > now else "")
        if ROOT_LOGGER not in self._overrides:
            self._level(ROOT_LOGGER, "")
        self._look_again(now)

    def _level(self, name: str, level: str) -> None:
        default = self.configured if name == ROOT_LOGGER else logging.NOTSET
        logging.getLogger(name).setLevel(level or default)

    def _look_again(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._overrides:
            wait_s = min(override.until for override in self._overrides.values()) - now
            self._timer = threading.Timer(min(max(wait_s, 0.0), _LONGEST_S), self.expire)
            self._timer.daemon = True
            self._timer.start()

    def expire(self) -> None:
        """Levels that have ended go back to the configured ones."""
        with self._lock:
            self._set_levels()

    def _write(self) -> None:
        if self._path is None:
            return
        content = json.dumps(self.report()).encode()
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_private(self._path, content)
            self._read_at = self._path.stat().st_mtime_ns
