"""Files of one file system: linked instead of copied, replaced in one step, no symlink followed.

What a sandboxed child wrote may be anything, so only regular files are read or taken.
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
    """Whether `file` is now `target` too. One that has other names is not taken: whoever has them
    could change it later.
    """
    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise _irregular(file)
    if found.st_nlink > 1:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    return _linked(file, target)


def link_out(source: Path, file: Path) -> bool:
    """Whether `file` is now `source`; what had its name before is replaced."""
    draft = _draft(file)
    try:
        if not _linked(source, draft):
            return False
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return True


async def write(blocks: AsyncIterator[bytes], file: Path) -> None:
    """Make `file` of `blocks` in one step; a failure leaves what there was."""
    draft = _draft(file)
    try:
        with await asyncio.to_thread(draft.open, "xb") as target:
            async for block in blocks:
                await asyncio.to_thread(target.write, block)
        await asyncio.to_thread(draft.replace, file)
    finally:
        draft.unlink(missing_ok=True)


def _linked(source: Path, target: Path) -> bool:
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
