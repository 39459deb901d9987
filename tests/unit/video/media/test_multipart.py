"""Forms as they arrive: parts in order, however the bytes are cut."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import InvalidRequest, Malformed, UnsupportedMedia
from deployments.ingress.http.multipart import GATHERED, MAX_PARTS, FormPart, MultipartForm

TYPE = "multipart/form-data; boundary=bound"


async def cut(body: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def field(name: str, data: bytes, more: str = "", content_type: str = "") -> bytes:
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f'--bound\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{kind}\r\n'
    return head.encode() + data + b"\r\n"


def form(*fields: bytes) -> bytes:
    return b"".join(fields) + b"--bound--\r\n"


async def read(body: bytes, size: int = 1000) -> list[tuple[str, str | None, str, bytes]]:
    found = []
    async for part in MultipartForm(cut(body, size), TYPE).parts():
        data = await part.whole(10_000)
        found.append((part.name, part.filename, part.content_type, data))
    return found


@given(st.binary(max_size=300), st.integers(1, 40))
async def test_parts_are_the_same_however_the_body_is_cut(data: bytes, size: int) -> None:
    if b"\r\n--bound" in data:
        return
    body = form(
        field("name", "Ünser".encode()),
        field("file", data, '; filename="Film Ü.mp4"', "video/mp4; x=1"),
        field("empty", b""),
    )
    assert await read(body, size) == [
        ("name", None, "", "Ünser".encode()),
        ("file", "Film Ü.mp4", "video/mp4", data),
        ("empty", None, "", b""),
    ]


async def test_what_a_reader_leaves_of_a_part_is_skipped() -> None:
    body = form(field("a", b"x" * 5000), field("b", b"y"))
    names: list[str] = []
    async for part in MultipartForm(cut(body, 100), TYPE).parts():
        if part.name == "a":
            assert await anext(part.chunks)
        names.append(part.name)
    assert names == ["a", "b"]


async def test_a_part_is_read_before_the_form_has_come() -> None:
    pulled: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        first = field("file", b"x" * 2 * GATHERED)[: GATHERED + 80]
        for number, chunk in enumerate((first, b"x", form())):
            pulled.append(number)
            yield chunk

    parts = MultipartForm(body(), TYPE).parts()
    first: FormPart = await anext(parts)
    assert await anext(first.chunks)
    assert pulled == [0]


async def test_a_small_field_is_small() -> None:
    async for part in MultipartForm(cut(form(field("name", b"x" * 11)), 3), TYPE).parts():
        with pytest.raises(InvalidRequest) as refused:
            await part.whole(10)
        assert (refused.value.param, refused.value.extensions["limit"]) == ("name", 10)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"--other\r\n\r\n--other--", id="another boundary"),
        pytest.param(field("a", b"x"), id="no end"),
        pytest.param(field("a", b"x")[:-20], id="cut in a part"),
        pytest.param(form(b"--bound\r\n\r\nx\r\n"), id="no headers"),
        pytest.param(form(b'--bound\r\nX: form-data; name="a"\r\n\r\nx\r\n'), id="no name"),
        pytest.param(form(field("a" * 10_000, b"x")), id="long headers"),
        pytest.param(form(*[field("a", b"x")] * (MAX_PARTS + 1)), id="many parts"),
        pytest.param(b"\x00" * 100, id="noise"),
    ],
)
async def test_a_damaged_form_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        await read(body)


@given(st.binary(max_size=300))
async def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    with pytest.raises(Malformed):
        await read(noise, 7)


def test_only_forms_are_read() -> None:
    for content_type in ("", "multipart/mixed; boundary=b", "application/json"):
        with pytest.raises(UnsupportedMedia):
            MultipartForm(cut(b"", 1), content_type)
    for content_type in ("multipart/form-data", f"multipart/form-data; boundary={'b' * 300}"):
        with pytest.raises(Malformed):
            MultipartForm(cut(b"", 1), content_type)
