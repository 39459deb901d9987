"""Detects an MP4 or MOV file without its index, as interrupted recordings leave. Runs in a child.

Such a file begins like any other, but its index (the box `moov`) was to be written at the end.
Source of the layout: ISO/IEC 14496-12, 4.2 (boxes) and 6.2 (their order).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

_FIRST = {b"ftyp", b"wide", b"free", b"skip", b"mdat", b"pnot"}
_MOST_BOXES = 1_000
_HEADER = 8


def lacks_index(file: Path) -> bool:
    """Whether the file consists of such boxes, has media data, and has no complete `moov`."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        boxes = list(_boxes(stream, size))
    kinds = [kind for kind, _ in boxes]
    complete = {kind for kind, is_complete in boxes if is_complete}
    return bool(kinds) and kinds[0] in _FIRST and b"mdat" in kinds and b"moov" not in complete


def _boxes(file: IO[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """The kind of each outermost box, and whether the file contains all of it."""
    offset = 0
    for _ in range(_MOST_BOXES):
        file.seek(offset)
        header = file.read(2 * _HEADER)
        if len(header) < _HEADER:
            return
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:])
        elif length == 0:  # up to the end of the file
            length = size - offset
        if length < _HEADER:
            return
        yield kind, offset + length <= size
        offset += length
