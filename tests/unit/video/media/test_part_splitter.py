"""A request body split into stored parts, and its checksum."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.video.uploads.part_stream import Checksum, PartSplitter
from deployments.video.uploads.upload import ChecksumMismatch, UploadTooLong


async def chunks(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def split(splitter: PartSplitter) -> list[bytes]:
    found = []
    while await splitter.has_next():
        found.append(b"".join([chunk async for chunk in splitter.next_part()]))
    splitter.check()
    return found


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 30))
async def test_parts_are_full_but_for_the_last_and_hold_all_bytes(
    parts: list[bytes], size: int
) -> None:
    data = b"".join(parts)
    found = await split(PartSplitter(chunks(parts), len(data), size))
    assert b"".join(found) == data
    assert all(len(each) == size for each in found[:-1])
    assert all(0 < len(each) <= size for each in found[-1:])


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12))
async def test_a_body_with_a_checksum_is_one_part(parts: list[bytes]) -> None:
    data = b"".join(parts)
    splitter = PartSplitter(chunks(parts), len(data), 3, Checksum.of("sha1", data))
    assert await split(splitter) == [data]


@pytest.mark.parametrize("parts", [[], [b"x"], [b"da", b"tA"]])
async def test_a_body_that_does_not_match_its_checksum_is_refused(parts: list[bytes]) -> None:
    with pytest.raises(ChecksumMismatch):
        await split(PartSplitter(chunks(parts), 10, 3, Checksum.of("sha256", b"data")))


async def test_more_than_there_is_room_for_is_refused_where_it_comes() -> None:
    splitter = PartSplitter(chunks([b"ab", b"cd"]), 3, 2)
    assert await splitter.has_next()
    assert [chunk async for chunk in splitter.next_part()] == [b"ab"]
    with pytest.raises(UploadTooLong):
        await splitter.has_next()
