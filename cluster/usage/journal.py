"""What a process has used and not yet stored, in files that outlive its death.

Flows in: entries of the ledger, each before its request is answered. Flows out, where the process
was killed: its batches, to whichever process of the same home starts next. One file for each batch,
which goes once the batch is committed. Lines are JSON: `[cell, where, prices, costs, dimensions]`
says what a cell stands for, `[cell, counts]` adds to it; a line that a kill cut off is left out.
Files of older releases, with other suffixes, are read too: their lists are shorter. A file's suffix
is new where older readers would take what it holds for something else.
Files are written through shared memory, which outlives its process and takes no system call for
each request. Nothing is synchronised with the disk: this is for a process that dies, not for a
machine.
"""

import errno
import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

import orjson

from cluster.usage.cells import WIDTH, Cell
from cluster.usage.dimensions import CallDimensions

SUFFIX = ".counts"
ENTRIES_SUFFIX = ".entries"  # without the units after `characters`
CELLS_SUFFIX = ".cells"  # without the units after `estimated_tokens`
USAGE_SUFFIX = ".usage"  # likewise, and without costs
OLDER_SUFFIXES = (USAGE_SUFFIX, CELLS_SUFFIX, ENTRIES_SUFFIX)
_ROOM_BYTES = 64 << 10
FORGOTTEN_S = 6 * 86_400.0  # then the store may no longer know which batches it has taken

log = logging.getLogger(__name__)


# A cell's prices, costs and dimensions.
Terms = tuple[Sequence[int], Sequence[int], CallDimensions]


@dataclass(frozen=True, slots=True)
class OrphanedBatch:
    """A batch of a process that is gone, which this process has taken over until it is closed."""

    writer: str
    seq: int
    modified: float
    cells: tuple[Cell, ...]


class UsageJournal:
    """The files of one `writer`. `append` never raises: a full disk is logged once."""

    def __init__(self, folder: Path, writer: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._writer = folder, writer
        self._files: dict[int, _BatchFile] = {}  # by batch
        self._cells: dict[tuple[Any, ...], int] = {}  # of the newest file
        self._newest = 0
        self._failed = False

    def append(
        self,
        batch: int,
        where: tuple[Any, ...],
        terms: Callable[[], Terms],
        counts: Sequence[int],
    ) -> None:
        """Write what one entry adds to `batch`; `where` begins as cells.Where and names one cell.
        `terms` is called for a cell that is new.
        """
        try:
            if batch != self._newest:
                self._open(batch)
            cell, lines = self._cells.get(where), b""
            if cell is None:
                cell = self._cells[where] = len(self._cells)
                prices, costs, named = terms()
                lines = orjson.dumps([cell, where[:4], prices, costs, [*named]]) + b"\n"
            self._files[batch].append(lines + orjson.dumps([cell, counts]) + b"\n")
        except (OSError, KeyError) as error:
            if not self._failed:
                log.error("usage is not journalled until it is stored: %s", error)
            self._failed = True

    def _open(self, batch: int) -> None:
        self._newest, self._cells = batch, {}
        self._files[batch] = _BatchFile(_path(self._folder, self._writer, batch))

    def committed(self, batch: int) -> None:
        """Forget `batch`: the store has it."""
        file = self._files.pop(batch, None)
        if file is not None:
            with suppress(OSError):
                _path(self._folder, self._writer, batch).unlink()
            file.close()

    def close(self) -> None:
        """Let go of what is left, for the next process."""
        for file in self._files.values():
            file.close()
        self._files.clear()


class _BatchFile:
    """Lines in a file that this process maps and locks; zeros follow the last one.

    Room is filled with zeros before it is mapped. On a full disk that fails; touching a mapped hole
    there would kill the process.
    """

    __slots__ = ("_descriptor", "_map", "_used")

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._used = 0
        self._map: mmap | None = None
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, line: bytes) -> None:
        """Raises OSError where there is no room on the disk."""
        end = self._used + len(line)
        if self._map is None or end > len(self._map):
            self._map = self._grown(end)
        self._map[self._used : end] = line
        self._used = end

    def close(self) -> None:
        if self._map is not None:
            self._map.close()
        os.close(self._descriptor)

    def _grown(self, needed: int) -> mmap:
        old = 0 if self._map is None else len(self._map)
        more = max(old, _ROOM_BYTES, needed)
        if os.pwrite(self._descriptor, bytes(more), old) < more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._map is not None:
            self._map.close()
        return mmap(self._descriptor, old + more)


def orphans(folder: Path) -> Iterator[OrphanedBatch]:
    """Batches whose writer is gone, each writer's in order. One that was dealt with is removed once
    the next is requested; one whose taker raised stays for the next start."""
    for path in _paths(folder) if folder.is_dir() else ():
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            writer, _, number = path.stem.rpartition(".")
            cells = _cells(path.read_bytes(), has_cost=path.suffix != USAGE_SUFFIX)
            yield OrphanedBatch(writer, int(number), os.fstat(descriptor).st_mtime, cells)
            path.unlink(missing_ok=True)
        except (OSError, ValueError):
            continue  # of a living process, or no journal of ours
        finally:
            os.close(descriptor)


def _path(folder: Path, writer: str, batch: int) -> Path:
    return folder / f"{writer}.{batch:012d}{SUFFIX}"


def _paths(folder: Path) -> list[Path]:
    suffixes = (*OLDER_SUFFIXES, SUFFIX)
    return [path for suffix in suffixes for path in sorted(folder.glob(f"*{suffix}"))]


def _cells(text: bytes, *, has_cost: bool) -> tuple[Cell, ...]:
    """`has_cost`: the last of the counts is a cost, however many units are before it."""
    cells: dict[int, Cell] = {}
    counts: dict[int, list[int]] = {}
    for line in text.rstrip(b"\0").split(b"\n"):
        with suppress(ValueError, KeyError, TypeError, IndexError):
            number, first, *terms = orjson.loads(line)
            if terms:
                counts[number] = [0] * WIDTH
                cells[number] = _cell(first, *terms, counts=counts[number])
            else:
                *units, cost = first if has_cost else (*first, 0)
                for index, amount in enumerate(units):
                    counts[number][index] += amount
                counts[number][-1] += cost
    return tuple(cells.values())


def _cell(
    where: list[Any],
    prices: list[int],
    costs: list[int],
    dimensions: tuple[str, str, list[str]] = ("", "", []),
    *,
    counts: list[int],
) -> Cell:
    """What a line says; units that it does not know have no price, and no counts to price."""
    team, end_user, tags = dimensions
    none = [0] * (WIDTH - 1 - len(prices))
    named = CallDimensions(team, end_user, tuple(tags))
    return Cell(
        (where[0], where[1], where[2], where[3]), prices + none, costs + none, counts, named
    )


def is_forgotten(batch: OrphanedBatch, now: float) -> bool:
    """Whether it is too old to be distinguished from one that was stored."""
    return now - batch.modified > FORGOTTEN_S
