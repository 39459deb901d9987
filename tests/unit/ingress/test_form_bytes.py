"""Forms are read in large pieces, however their bytes come and whatever they are."""

from collections.abc import AsyncIterator

import pytest

from cluster.runtime.problems import Malformed
from deployments.ingress.http.multipart import GATHERED, MultipartForm

BOUNDARY = "b" * 20
HEAD = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
SIZE = 256 << 10


async def read(body: bytes, size: int) -> list[bytes]:
    """The chunks of the one file in a body that comes `size` bytes at a time."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    form = MultipartForm(chunks(), f"multipart/form-data; boundary={BOUNDARY}")
    return [chunk async for part in form.parts() async for chunk in part.chunks]


@pytest.mark.parametrize("size", [1, 1000, 1 << 20], ids=["a byte", "a packet", "all"])
@pytest.mark.parametrize(
    "unit",
    [b"\r", b"\r\n", b"\r\n-", b"\r\n--" + BOUNDARY[1:].encode(), b"-", b"x", b"\n"],
    ids=["cr", "crlf", "dash", "almost a boundary", "dashes", "text", "lf"],
)
async def test_a_file_comes_in_few_pieces_whatever_it_holds(unit: bytes, size: int) -> None:
    content = unit * (SIZE // len(unit))

    pieces = await read(HEAD + content + TAIL, size)

    assert b"".join(pieces) == content
    assert len(pieces) <= 3 * (SIZE // GATHERED + 1)


async def test_a_form_that_ends_early_is_malformed() -> None:
    with pytest.raises(Malformed, match="ends before"):
        await read(HEAD + b"x" * 100, 7)
