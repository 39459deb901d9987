"""Frames are what the two stream formats say they are."""

import orjson

from deployments.ingress.http.streaming import ndjson_frame, sse_frame


def test_an_unnamed_event_is_data_alone() -> None:
    assert sse_frame((None, {"a": 1})) == b'data: {"a":1}\n\n'


def test_a_named_event_carries_its_name() -> None:
    assert sse_frame(("delta", {"text": "hi"})) == b'event: delta\ndata: {"text":"hi"}\n\n'


def test_line_breaks_in_text_never_break_a_frame() -> None:
    text = "one\ntwo\r\nthree\u2028four"
    for frame in (sse_frame(("delta", {"text": text})), ndjson_frame(("delta", {"text": text}))):
        body = frame.removeprefix(b"event: delta\ndata: ").rstrip(b"\n")
        assert b"\n" not in body
        assert orjson.loads(body)["text"] == text


def test_an_ndjson_line_names_its_event() -> None:
    assert orjson.loads(ndjson_frame(("started", {"variants": 2}))) == {
        "event": "started",
        "variants": 2,
    }
