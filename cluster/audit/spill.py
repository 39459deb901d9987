"""Spill files: chained records on disk while the database is down, one append-only file a writer.

In: chained records in order. Out: the same records in order, to the writer when the database is
back, or to another process of this folder if the writer has died. A record that is both spilled and
stored is stored once, by its number.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from cluster.audit.chain import ChainedRecord

SUFFIX = ".spill"
MAX_BYTES = 256 << 20
BATCH = 500


class SpillFull(OSError):
    """The file has reached its maximum size."""


class Spill:
    """An open spill file. Its lock is held until `close`, or until the process ends."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        """Opens or creates the file. Raises BlockingIOError if another process owns it."""
        self.path = path
        self._max_bytes = max_bytes
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise

    @classmethod
    def orphans(cls, folder: Path) -> Iterator[Self]:
        """Files of dead writers, which this process takes over."""
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                yield cls(path)
            except OSError:
                continue

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def append(self, links: list[ChainedRecord]) -> None:
        """Appends links. Raises OSError; then none of them is written."""
        lines = b"".join(_encode_line(link) for link in links)
        size = self.size
        if size + len(lines) > self._max_bytes:
            raise SpillFull(f"{self.path.name} has reached {self._max_bytes} bytes")
        try:
            written = os.write(self._fd, lines)
            if written != len(lines):
                raise OSError(f"wrote {written} of {len(lines)} bytes")
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise

    def batches(self) -> Iterator[list[ChainedRecord]]:
        """The spilled links in order, without a partial line."""
        with self.path.open("rb") as file:
            batch: list[ChainedRecord] = []
            for line in file:
                if (link := _decode_line(line)) is not None:
                    batch.append(link)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def clear(self) -> None:
        os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Closes the file, and deletes it if it is empty."""
        if not self.size:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)


def _encode_line(link: ChainedRecord) -> bytes:
    return json.dumps([*link[:-1], link.mac.hex()]).encode() + b"\n"


def _decode_line(line: bytes) -> ChainedRecord | None:
    try:
        values = json.loads(line)
        return ChainedRecord._make([*values[:-1], bytes.fromhex(values[-1])])
    except (ValueError, TypeError, IndexError):
        return None
