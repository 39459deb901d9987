"""Whether an MP4 lacks its index: recordings that were cut off, and files of other kinds."""

from pathlib import Path

import pytest

from deployments.video.probe.mp4_index import lacks_index


def box(kind: bytes, size: int = 40, said: int | None = None) -> bytes:
    """A box of `size` bytes whose header says `said`."""
    return (size if said is None else said).to_bytes(4) + kind + bytes(size - 8)


def large(kind: bytes, said: int) -> bytes:
    """The beginning of a box whose length takes 64 bits."""
    return (1).to_bytes(4) + kind + said.to_bytes(8) + bytes(24)


@pytest.mark.parametrize(
    ("data", "lacks"),
    [
        pytest.param(box(b"ftyp") + box(b"mdat", 60, 9_000), True, id="cut off in its media data"),
        pytest.param(box(b"ftyp") + box(b"free") + box(b"mdat", 60, 0), True, id="to the end"),
        pytest.param(box(b"ftyp") + large(b"mdat", 1 << 33), True, id="64-bit length"),
        pytest.param(box(b"wide") + box(b"mdat"), True, id="an old MOV"),
        pytest.param(box(b"ftyp") + box(b"mdat") + box(b"moov", 40, 99), True, id="half an index"),
        pytest.param(box(b"ftyp") + box(b"mdat") + box(b"moov"), False, id="whole"),
        pytest.param(
            box(b"ftyp") + box(b"moov") + box(b"mdat", 60, 9_000), False, id="index first"
        ),
        pytest.param(box(b"ftyp"), False, id="no media data"),
        pytest.param(b"RIFF\x10\0\0\0AVI LIST" + bytes(60), False, id="another container"),
        pytest.param(b"", False, id="nothing"),
        pytest.param(bytes(4_000), False, id="zeros"),
        pytest.param(box(b"ftyp") + box(b"mdat", 40, 3), False, id="a length that cannot be"),
    ],
)
def test_an_mp4_without_its_index_is_known_as_that(
    tmp_path: Path, data: bytes, lacks: bool
) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    assert lacks_index(file) is lacks
