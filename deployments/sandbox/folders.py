"""Private folders for work on one recording, and the files in them.

A folder is locked (flock) for as long as the process that made it lives, so the folder of a killed
process is recognised by its free lock, even if its process number was reused. The parent folder is
on a local disk. Links that a child made are not followed.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "work-"


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A new empty folder (mode 700) in `parent`, which is made if it is missing. It is removed at
    the end."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder, lock = _create_locked(parent.resolve())
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


@contextmanager
def link_input(path: Path, folder: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """A file under a new name in `folder`, without a copy: the name to open it by, and the paths
    that a child must be able to read (`readable`)."""
    link = folder / f"source-{secrets.token_hex(8)}"
    link.symlink_to(path.resolve())
    try:
        yield link.name, (path.resolve(),)
    finally:
        link.unlink(missing_ok=True)


def clear_abandoned(parent: Path) -> int:
    """Removes folders of processes that have ended; returns their number. Call it at every start,
    and from time to time."""
    cleared = 0
    for folder in sorted(parent.glob(f"{PREFIX}*")) if parent.is_dir() else ():
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
                cleared += 1
            finally:
                os.close(lock)
    return cleared


def _create_locked(parent: Path) -> tuple[Path, int]:
    """Created and locked; again if `clear_abandoned` interfered."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if folder.stat().st_ino == os.fstat(lock).st_ino:
                    return folder, lock
            except BaseException:
                os.close(lock)
                raise


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError:  # a child closed a folder that it made
        _make_accessible(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _make_accessible(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o700)
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                _make_accessible(path)


def read_output(path: Path, max_bytes: int) -> bytes | None:
    """The first `max_bytes` bytes of a plain file; None: there is none."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            return file.read(max_bytes)
    return None


@contextmanager
def lend_source(source: Path, folder: Path, suffix: str) -> Iterator[tuple[Path, Path]]:
    """A link to `source` in `folder`, and a path there for the child's output; both are removed at
    the end."""
    token = secrets.token_hex(8)
    link, out = folder / f"source-{token}", folder / f"transcript-{token}{suffix}"
    link.symlink_to(source.resolve())
    try:
        yield link, out
    finally:
        link.unlink(missing_ok=True)
        out.unlink(missing_ok=True)
