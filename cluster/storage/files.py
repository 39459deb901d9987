"""Files that are accessible to their owner only."""

import os
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_for_owner_only() -> None:
    """Sets the umask of this process and its children to owner-only."""
    os.umask(PRIVATE_UMASK)


def make_private(folder: Path) -> None:
    """Removes the permissions of others from a folder and its direct entries. Symbolic links and
    files of other users are skipped."""
    for path in (folder, *folder.iterdir()):
        with suppress(OSError):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & OTHERS:
                path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def write_private(path: Path, content: bytes) -> None:
    """Replaces `path` atomically, readable by its owner only."""
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
