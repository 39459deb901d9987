"""Numeric arrays in one file, validated against a layout when read: a child's or a cache's.

The file is an uncompressed .npz without pickles. Sizes in headers are not trusted: arrays are built
from the bytes present.
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
    """Atomic: a temporary file beside `path` is renamed to it."""
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
    temporary.replace(path)


def read(path: Path, layout: Layout) -> dict[str, Array]:
    """The arrays of `layout`: a dtype and a shape for each name; equal letters stand for equal
    lengths. Raises ValueError if the file is missing or does not match.
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
        arrays = {name: _array(archive.read(f"{name}.npy"), layout[name][0]) for name in layout}
    for name, array in arrays.items():
        _check_shape(name, array.shape, layout[name][1], lengths)
    return arrays


def _array(blob: bytes, dtype: str) -> Array:
    file = io.BytesIO(blob)
    if npy.read_magic(file) != (1, 0):
        raise ValueError("unknown version of the npy format")
    shape, fortran, kind = npy.read_array_header_1_0(file)
    if fortran or kind != np.dtype(dtype):
        raise ValueError(f"expected {dtype}, found {kind}")
    return np.frombuffer(blob, kind, offset=file.tell()).reshape(shape)


def _check_shape(
    name: str,
    shape: tuple[int, ...],
    expected_shape: tuple[int | str, ...],
    lengths: dict[str, int],
) -> None:
    if len(shape) != len(expected_shape):
        raise ValueError(f"'{name}' has {len(shape)} dimensions, not {len(expected_shape)}")
    for length, expected_length in zip(shape, expected_shape, strict=True):
        required = (
            lengths.setdefault(expected_length, length)
            if isinstance(expected_length, str)
            else expected_length
        )
        if length != required:
            raise ValueError(f"'{name}' is of shape {shape}")
