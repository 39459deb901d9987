"""Server-sent events out of a body that arrives in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.providers.sse import EventTooLarge, SseParser

LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data", b"event: ping", b": comment", b"id: 7", b"retry: 1", b"",
     b"data: \xc3\xa9", b"data: {\"x\": 1}", b"dataset: no"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def parse(*pieces: bytes, max_event: int = 1 << 20) -> list[tuple[str, bytes]]:
    parser = SseParser(max_event)
    return [event for piece in pieces for event in parser.feed(piece)]


def test_an_event_is_its_name_and_its_data_with_lines_joined() -> None:
    assert parse(b"event: delta\ndata: one\ndata: two\n\n") == [("delta", b"one\ntwo")]


def test_comments_and_other_fields_make_no_event() -> None:
    assert parse(b": keep-alive\n\nid: 3\nretry: 10\n\n") == []


def test_an_unfinished_event_is_dropped() -> None:
    assert parse(b"data: whole\n\ndata: cut\n") == [("", b"whole")]


def test_a_byte_order_mark_before_the_first_line_is_none_of_it() -> None:
    assert parse(b"\xef\xbb", b"\xbfdata: a\n\n") == [("", b"a")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_three_ways(end: bytes) -> None:
    assert parse(b"data: a" + end + end + b"data: b" + end + end) == [("", b"a"), ("", b"b")]


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.data())
def test_the_events_are_the_same_however_the_body_is_cut(
    lines: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    body = b"".join(line + end for line, end in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    assert parse(*pieces) == parse(body)
    assert parse(*[body[i : i + 1] for i in range(len(body))]) == parse(body)


def test_an_event_is_bounded_in_one_line_and_in_many() -> None:
    with pytest.raises(EventTooLarge):
        parse(b"data: " + b"x" * 100, max_event=100)
    with pytest.raises(EventTooLarge):
        parse(*[b"data: 0123456789\n"] * 10, max_event=100)
    with pytest.raises(EventTooLarge):
        parse(*[b"x"] * 101, max_event=100)


def test_the_bound_is_of_one_event_not_of_the_stream() -> None:
    assert len(parse(*[b"data: 0123456789\n\n"] * 50, max_event=100)) == 50
