"""Numeric arrays in one file, read back only if they are what was agreed: a child's or a cache's.

The file is an uncompressed .npz without pickles. A header's word is not taken for its size: arrays
are built from the bytes that are there.
"""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MAX_BYTES = 512 << 20
Layout = Mapping[str, tuple[str, tuple[int | str, ...]]]
Array = NDArray[Any]


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """All or nothing: a temporary file beside `path` is renamed to it."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
    unfinished.replace(path)


def read(path: Path, layout: Layout) -> dict[str, Array]:
    """The arrays of `layout`: a dtype and a shape for each name, whose letters stand for lengths
    that agree throughout. ValueError: the file is missing or not this.
    """
    try:
        return _read(path, layout)
    except (OSError, zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path.name} does not hold what it should") from error


def _read(path: Path, layout: Layout) -> dict[str, Array]:
    lengths: dict[str, int] = {}
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file, zipfile.ZipFile(file) as archive:
        if sum(archive.getinfo(f"{name}.npy").file_size for name in layout) > MAX_BYTES:
            raise ValueError(f"{path.name} is over {MAX_BYTES} bytes")
        found = {name: _array(archive.read(f"{name}.npy"), layout[name][0]) for name in layout}
    for name, array in found.items():
        _agree(name, array.shape, layout[name][1], lengths)
    return found


def _array(blob: bytes, dtype: str) -> Array:
    file = io.BytesIO(blob)
    if npy.read_magic(file) != (1, 0):
        raise ValueError("unknown version of the npy format")
    shape, fortran, kind = npy.read_array_header_1_0(file)
    if fortran or kind != np.dtype(dtype):
        raise ValueError(f"expected {dtype}, found {kind}")
    return np.frombuffer(blob, kind, offset=file.tell()).reshape(shape)


def _agree(
    name: str, shape: tuple[int, ...], wanted: tuple[int | str, ...], lengths: dict[str, int]
) -> None:
    if len(shape) != len(wanted):
        raise ValueError(f"'{name}' has {len(shape)} dimensions, not {len(wanted)}")
    for length, want in zip(shape, wanted, strict=True):
        expected = lengths.setdefault(want, length) if isinstance(want, str) else want
        if length != expected:
            raise ValueError(f"'{name}' is of shape {shape}")
