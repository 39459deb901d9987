"""The log files of one machine, merged in order of time: what was written, and what is written now.

In: the folder of the files (`<process>-<pid>.jsonl`, their rotated predecessors
`<process>-<pid>.<n>.jsonl`, `haproxy-<pid>.log`) and a filter. Out: lines. Within a file lines are
nearly in order; the merge puts right what is out of place by REORDERED lines or less.
"""

import heapq
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from cluster.logs.schema import HAPROXY, LEVEL_NUMBERS, level_of

REORDERED = 2_000
HELD_S = 0.6  # processes write their lines within half of it; younger ones wait for each other
MAX_LINE = 1 << 20  # bytes that are read of one line
_NAME = re.compile(r"(?P<process>[A-Za-z][\w.-]*?)-(?P<pid>\d+)(?:\.(?P<number>\d+))?$")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LogLine:
    """`values` are the fields of the schema; `text` is the line as it was written."""

    ts: float
    process: str
    values: Values
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """None: any. `level` is the least one; `since` is Unix seconds."""

    request: str | None = None
    tenant: str | None = None
    level: str | None = None
    since: float | None = None

    def takes(self, ts: float, values: Values) -> bool:
        return (
            (self.since is None or ts >= self.since)
            and (self.request is None or values.get("request_id") == self.request)
            and (self.tenant is None or values.get("tenant") == self.tenant)
            and (self.level is None or level_of(values) >= LEVEL_NUMBERS[self.level])
        )


def read_lines(folder: Path, wanted: LogFilter) -> Iterator[LogLine]:
    """Every line in the files that the filter takes, in order of time."""
    sources = [_lines_of(path, wanted) for path in log_files(folder, wanted.since)]
    return _in_order(heapq.merge(*sources, key=lambda line: line.ts))


def log_files(folder: Path, since: float | None = None) -> list[Path]:
    """The files that may have lines from `since` on, those that were rotated as well."""
    found = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob(f"{HAPROXY}-*.log")]):
        with suppress(OSError):
            if since is None or path.stat().st_mtime >= since:
                found.append(path)
    return found


def parse_line(text: bytes, process: str) -> LogLine | None:
    """None for what is not a line of the schema."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        values = orjson.loads(text)
        return LogLine(float(values["ts"]), str(values.get("process") or process), values, text)
    return None


def process_of(path: Path) -> str:
    """The process that writes a file, by its name."""
    match = _NAME.fullmatch(path.stem)
    return path.stem if match is None else match["process"]


def _lines_of(path: Path, wanted: LogFilter) -> Iterator[LogLine]:
    with suppress(OSError), path.open("rb") as file:
        yield from _select(file, process_of(path), wanted)


def _select(file: Iterable[bytes], process: str, wanted: LogFilter) -> Iterator[LogLine]:
    needle = (wanted.request or wanted.tenant or "").encode()
    for text in file:
        if needle and needle not in text:
            continue
        line = parse_line(text.rstrip(b"\n")[:MAX_LINE], process)
        if line is not None and wanted.takes(line.ts, line.values):
            yield line


def _in_order(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    heap: list[tuple[float, int, LogLine]] = []
    for number, line in enumerate(lines):
        heapq.heappush(heap, (line.ts, number, line))
        if len(heap) > REORDERED:
            yield heapq.heappop(heap)[2]
    while heap:
        yield heapq.heappop(heap)[2]


class _FollowedFile:
    """One name in the folder; when the file is rotated, the old one is read to its end first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._file: BinaryIO | None = None
        self._open()

    def new_lines(self) -> list[bytes]:
        lines = self._read()
        if self._is_replaced():
            self.close()
            self._open()
            lines += self._read()
        return lines

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        with suppress(OSError):
            self._file = self._path.open("rb")

    def _read(self) -> list[bytes]:
        if self._file is None:
            return []
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return lines

    def _is_replaced(self) -> bool:
        if self._file is None:
            return True
        try:
            now = self._path.stat()
        except OSError:
            return False
        then = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino)


class LogFollower:
    """Lines of all files, first those that are there, then new ones, also in files that appear
    later. `now` gives Unix seconds."""

    def __init__(self, folder: Path, wanted: LogFilter, now: Callable[[], float]) -> None:
        self._folder, self._wanted, self._now = folder, wanted, now
        self._held: list[tuple[float, int, LogLine]] = []
        self._number = 0
        self._files: dict[Path, _FollowedFile] = {}
        for path in log_files(folder, wanted.since):
            if _is_rotated(path):
                self._hold(_lines_of(path, wanted))

    def new_lines(self) -> list[LogLine]:
        """What is older than HELD_S by now, in order of time."""
        for path in log_files(self._folder):
            if path not in self._files and not _is_rotated(path):
                self._files[path] = _FollowedFile(path)
        for path, file in self._files.items():
            self._hold(_select(file.new_lines(), process_of(path), self._wanted))
        due, limit = [], self._now() - HELD_S
        while self._held and self._held[0][0] <= limit:
            due.append(heapq.heappop(self._held)[2])
        return due

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _hold(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            self._number += 1
            heapq.heappush(self._held, (line.ts, self._number, line))


def _is_rotated(path: Path) -> bool:
    match = _NAME.fullmatch(path.stem)
    return match is not None and match["number"] is not None
