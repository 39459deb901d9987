"""Log files of processes that are gone: the oldest are removed, so that restarts fill no disk."""

from contextlib import suppress
from pathlib import Path

from cluster.runtime.clock import Clock

MAX_FILES = 400
MAX_BYTES = 4 << 30  # of all files together
MIN_AGE_S = 3_600.0  # younger files belong to processes that run, or have just failed


def remove_old_files(
    folder: Path, clock: Clock, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
) -> int:
    """Remove the files that were written longest ago until the rest is within both bounds; none
    that was written within the last MIN_AGE_S. Returns how many were removed.

    Every process calls it when it starts. A process that is quiet makes its file again.
    """
    files = sorted(_files(folder), reverse=True)
    removed, total, limit = 0, 0, clock.wall() - MIN_AGE_S
    for number, (modified, size, path) in enumerate(files, 1):
        total += size
        if modified < limit and (number > max_files or total > max_bytes):
            with suppress(OSError):
                path.unlink()
                removed += 1
    return removed


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    found = []
    for path in folder.glob("*.jsonl"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    return found
