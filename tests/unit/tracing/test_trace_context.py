"""The header `traceparent` as W3C Trace Context defines it."""

import pytest

from cluster.tracing.trace_context import (
    TraceContext,
    new_context,
    parse_traceparent,
    parse_tracestate,
    trace_id_of,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
    ],
)
def test_a_valid_header_names_a_span(header: str, is_sampled: bool) -> None:
    assert parse_traceparent(header.encode()) == TraceContext(TRACE, SPAN, "", is_sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f"0--{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}--{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f" 00-{TRACE}-{SPAN}-01",
        "\u00e9" * 55,
    ],
)
def test_an_invalid_header_counts_as_absent(header: str) -> None:
    assert parse_traceparent(header.encode()) is None


def test_what_is_sent_on_is_read_again_as_the_same_span() -> None:
    context = new_context(is_sampled=True)

    sent = parse_traceparent(context.traceparent.encode())

    assert sent == context


def test_a_child_is_in_the_trace_of_its_parent_and_below_it() -> None:
    parent = new_context(is_sampled=True)

    child = parent.child()

    assert (child.trace_id, child.parent_id) == (parent.trace_id, parent.span_id)
    assert child.span_id != parent.span_id
    assert child.is_sampled


def test_a_request_of_our_own_id_has_its_digits_as_trace_id() -> None:
    context = new_context(is_sampled=True, request_id=f"req_{TRACE}")

    assert context.trace_id == trace_id_of(f"req_{TRACE}") == TRACE


@pytest.mark.parametrize(
    "request_id", ["", "mine", f"req_{TRACE}0", f"req_{TRACE.upper()}", f"req_{'0' * 32}", TRACE]
)
def test_other_request_ids_tell_no_trace_id(request_id: str) -> None:
    assert trace_id_of(request_id) == ""
    assert len(new_context(is_sampled=True, request_id=request_id).trace_id) == 32


@pytest.mark.parametrize(
    ("fields", "passed_on"),
    [
        ((b"a=1",), "a=1"),
        ((b"a=1,b=2", b"c=3"), "a=1,b=2,c=3"),
        ((b" a=1 ,, b=x y ",), "a=1,b=x y"),
        ((b"1tenant@vendor=z*/-_",), "1tenant@vendor=z*/-_"),
        ((b"a=" + b"x" * 256,), "a=" + "x" * 256),
        ((b"a=1,b=" + b"x" * 200 + b",c=" + b"y" * 200 + b",d=" + b"z" * 200,),
         "a=1,b=" + "x" * 200 + ",c=" + "y" * 200),
    ],
)  # fmt: skip
def test_a_callers_state_is_passed_on(fields: tuple[bytes, ...], passed_on: str) -> None:
    assert parse_tracestate(fields) == passed_on


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"a",
        b"a=",
        b"A=1",
        b"1=1",
        b"a=1,a=2",
        b"a=1=2",
        b"a=\x00",
        b"a=\r\nx: y",
        b"a=\xe4",
        b"a=" + b"x" * 257,
        b",".join(b"k%d=1" % number for number in range(33)),
    ],
)
def test_an_invalid_state_is_not_passed_on(field: bytes) -> None:
    assert parse_tracestate([field]) == ""


def test_a_child_has_the_state_of_its_parent() -> None:
    headers = [(b"host", b"x"), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]

    parent = TraceContext(TRACE, SPAN).with_state(headers)

    assert parent.child().state == "a=1,b=2"
    assert TraceContext(TRACE, SPAN).with_state([(b"host", b"x")]).state == ""
