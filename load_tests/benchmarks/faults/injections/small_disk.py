"""A file system of its own for a folder, which can be full. Linux, as root.

In: a folder. Out: a tmpfs mounted there. Full means that its size is what is used, so that it costs
no memory to fill it.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE_BYTES = 4 << 30  # a limit; memory is used for what is written
_REMOUNT, _DETACH = 32, 2  # mount(2), umount2(2)
_ATTEMPTS = 20  # others write meanwhile


class SmallDisk:
    """Use as a context manager. Raises PermissionError where mounting is not permitted."""

    def __init__(self, folder: Path, size_bytes: int = SIZE_BYTES) -> None:
        self.folder = folder
        self._size_bytes = size_bytes
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mount(self._size_bytes, 0)
        (self.folder / ".taken").write_bytes(b"\0")  # a size of nothing would be no limit
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._libc.umount2(bytes(self.folder), _DETACH)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Nothing can be added meanwhile. Raises OSError if it cannot be made full."""
        self._fill()
        try:
            yield
        finally:
            self._mount(self._size_bytes, _REMOUNT)

    def _fill(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            usage = os.statvfs(self.folder)
            used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
            try:
                self._mount(used, _REMOUNT)
            except OSError as failure:
                if failure.errno != errno.EINVAL or attempt == _ATTEMPTS:
                    raise
            else:
                return

    def _mount(self, size_bytes: int, flags: int) -> None:
        options = f"size={size_bytes}".encode()
        if self._libc.mount(b"tmpfs", bytes(self.folder), b"tmpfs", flags, options) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(self.folder))
