"""Files that only their owner may read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_for_owner_only() -> None:
    """From now on, whatever this process and its children make is its owner's alone."""
    os.umask(PRIVATE_UMASK)


def make_private(folder: Path) -> None:
    """Take every right of others from a folder and from what lies directly in it. Links are left
    alone, and what somebody else owns."""
    for path in (folder, *folder.iterdir()):
        with suppress(OSError):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & OTHERS:
                path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` in one step, readable by its owner only: a crash leaves old or new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
