"""Which part of a file is asked for, and the name that it is saved under."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.ingress.http.range_requests import (
    MAX_NAME,
    ByteRange,
    RangeNotSatisfiable,
    content_disposition,
    matches_etag,
    parse_range,
    safe_filename,
)

TAG = '"abc"'


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=99-", (99, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-1000", (0, 100)),
        ("BYTES= 5-6 ", (5, 7)),
    ],
)
def test_one_range_is_a_part(asked: str, part: tuple[int, int]) -> None:
    found = parse_range({"range": asked}, TAG, 100)

    assert found == ByteRange(*part, 100)
    assert found.content_range == f"bytes {part[0]}-{part[1] - 1}/100"


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-0,5-6", "bytes=5-4", "bytes=-", "bytes=", "bytes", "lines=0-1", "bytes=a-b"]
    + ["bytes=0x1-2", "bytes=+1-2", "bytes=1.0-2", "bytes=" + "9" * 20 + "-", "x" * 5000],
)
def test_what_is_not_one_range_asks_for_the_whole(asked: str) -> None:
    assert parse_range({"range": asked}, TAG, 100) is None


@pytest.mark.parametrize(
    ("asked", "size"),
    [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
    + [("bytes=-5", 0), ("bytes=9999999999999999999-", 100)],
)
def test_a_range_behind_the_end_is_refused_with_the_size(asked: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        parse_range({"range": asked}, TAG, size)
    assert refused.value.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    ("condition", "whole"),
    [(TAG, False), ('"other"', True), (f"W/{TAG}", True), ("Sat, 21 Nov 2026 10:00:00 GMT", True)],
)
def test_a_range_of_another_file_is_the_whole_of_this_one(condition: str, whole: bool) -> None:
    found = parse_range({"range": "bytes=1-2", "if-range": condition}, TAG, 100)
    assert (found is None) == whole


@pytest.mark.parametrize(
    ("given_", "has_it"),
    [(None, False), (TAG, True), (f"W/{TAG}", True), ("*", True), (f'"x", {TAG}', True)]
    + [('"x"', False), ("abc", False), ("", False)],
)
def test_a_client_that_names_the_tag_has_it(given_: str | None, has_it: bool) -> None:
    assert matches_etag(given_, TAG) == has_it


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("clip.mp4", 'attachment; filename="clip.mp4"'),
        ("Mein Clip.mp4", 'attachment; filename="Mein Clip.mp4"'),
        (
            "Café 一.mp4",
            "attachment; filename=\"Cafe _.mp4\"; filename*=UTF-8''Caf%C3%A9%20%E4%B8%80.mp4",
        ),
        ("", 'attachment; filename="file"'),
        ("../../etc/passwd", 'attachment; filename="_.._etc_passwd"'),
        (
            'a"; filename="b',
            "attachment; filename=\"a__ filename__b\"; filename*=UTF-8''a_%3B%20filename%3D_b",
        ),
    ],
)
def test_a_name_is_saved_as_what_it_looks_like(name: str, header: str) -> None:
    assert content_disposition(name) == header


def test_marks_that_turn_the_reading_direction_are_dropped() -> None:
    assert safe_filename("clip\u202egpj.exe") == "clipgpj.exe"


def test_a_long_name_keeps_its_ending() -> None:
    saved = safe_filename("x" * 400 + ".mp4")
    assert len(saved) == MAX_NAME
    assert saved.endswith("x.mp4")


@example("\u0591")
@given(st.text(max_size=300))
def test_no_name_breaks_out_of_its_field(name: str) -> None:
    header = content_disposition(name)

    header.encode("ascii")
    assert re.fullmatch(
        r'attachment; filename="[\w!#$&+^`{}~. -]+"(; filename\*=UTF-8\'\'[\w.~%-]+)?', header
    )
    assert "/" not in header
    assert not safe_filename(name).startswith(".")
