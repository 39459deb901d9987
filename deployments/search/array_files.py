"""Arrays and texts in the files of a folder, with a description by which damage is noticed.

In: arrays by name. Out: the same, mapped from the files. Files are for their owner only.
"""

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DESCRIPTION = "description.json"
_READ_AT_ONCE = 16 << 20  # bytes
Array = NDArray[Any]


class DamagedFiles(Exception):
    """A file is not as it was written."""


class ArrayWriter:
    """Writes the files of a new folder; without `finish` it is not valid."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, dict[str, Any]] = {}
        folder.mkdir(mode=0o700, parents=True)

    def write(self, name: str, parts: Iterable[Array], dtype: Any, width: int = 0) -> None:
        """Parts of one array that follow each other; `width` is of its rows, if it has two
        dimensions."""
        check, size = 0, 0
        with (self._folder / name).open("wb") as file:
            for part in parts:
                content = np.ascontiguousarray(part, dtype).data.cast("B") if part.size else b""
                check = zlib.crc32(content, check)
                size += file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._files[name] = {
            "dtype": np.dtype(dtype).str,
            "width": width,
            "bytes": size,
            "crc32": check,
        }

    def write_bytes(self, name: str, content: bytes) -> None:
        self.write(name, [np.frombuffer(content, np.uint8)], np.uint8)

    def add(self, name: str) -> None:
        """A file that something else has written there."""
        path = self._folder / name
        size, check = _checksum(path)
        self._files[name] = {"dtype": "|u1", "width": 0, "bytes": size, "crc32": check}

    def finish(self, **values: Any) -> None:
        content = json.dumps({**values, "files": self._files})
        path = self._folder / DESCRIPTION
        with path.open("w") as file:
            file.write(json.dumps({"content": content, "crc32": zlib.crc32(content.encode())}))
            file.flush()
            os.fsync(file.fileno())


class ArrayReader:
    """Raises DamagedFiles where something is missing or was changed, OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.values: Mapping[str, Any] = _description(folder)
        for name, about in self.values["files"].items():
            if _checksum(folder / name) != (about["bytes"], about["crc32"]):
                raise DamagedFiles(name)

    def __contains__(self, name: str) -> bool:
        return name in self.values["files"]

    def read(self, name: str) -> Array:
        """Mapped; it cannot be changed."""
        about = self.values["files"][name]
        width, dtype = about["width"], np.dtype(about["dtype"])
        if not about["bytes"]:
            return np.empty((0, width) if width else 0, dtype)
        mapped: Array = np.memmap(self._folder / name, dtype, mode="r")
        return mapped.reshape(-1, width) if width else mapped

    def read_bytes(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


def _description(folder: Path) -> Mapping[str, Any]:
    try:
        outer = json.loads((folder / DESCRIPTION).read_text())
        content = outer["content"]
        if zlib.crc32(content.encode()) != outer["crc32"]:
            raise DamagedFiles(DESCRIPTION)
        values: dict[str, Any] = json.loads(content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DamagedFiles(DESCRIPTION) from None
    return values


def _checksum(path: Path) -> tuple[int, int]:
    """Bytes and their CRC 32."""
    size = check = 0
    try:
        with path.open("rb") as file:
            while part := file.read(_READ_AT_ONCE):
                size += len(part)
                check = zlib.crc32(part, check)
    except FileNotFoundError:
        raise DamagedFiles(path.name) from None
    return size, check
