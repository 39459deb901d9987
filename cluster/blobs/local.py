"""Files within one file system: hard-linked instead of copied, replaced atomically.

No symlink is followed, and only regular files are read or linked: a sandboxed child may have
written anything.
"""

import asyncio
import errno
import os
import secrets
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from cluster.runtime.problems import InvalidRequest

READ_ONLY = 0o440
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


def open_regular(file: Path) -> BinaryIO:
    """`file` for reading. Raises InvalidRequest if it is not a regular file of that name."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _irregular(file) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular(file)
    return os.fdopen(descriptor, "rb", buffering=0)


def link_in(file: Path, target: Path) -> bool:
    """Link `file` to `target`; False if it must be copied. A file with other links is not linked:
    it could be changed through them later.
    """
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(file)
    if status.st_nlink > 1:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    return _link(file, target)


def link_out(source: Path, file: Path) -> bool:
    """Link `source` to `file`, which is replaced; False if it must be copied."""
    draft = _draft(file)
    try:
        if not _link(source, draft):
            return False
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return True


async def write(blocks: AsyncIterator[bytes], file: Path) -> None:
    """Write `file` of `blocks` atomically; a failure leaves the old file."""
    draft = _draft(file)
    try:
        with await asyncio.to_thread(draft.open, "xb") as target:
            async for block in blocks:
                await asyncio.to_thread(target.write, block)
        await asyncio.to_thread(draft.replace, file)
    finally:
        draft.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LINK:
            return False
        raise
    target.chmod(READ_ONLY)
    return True


def _draft(file: Path) -> Path:
    return file.with_name(f".{secrets.token_hex(8)}.draft")


def _irregular(file: Path) -> InvalidRequest:
    return InvalidRequest(f"'{file.name[:100]}' is not a regular file.", param="file")
