"""The header `traceparent` as W3C Trace Context defines it."""

import pytest

from cluster.tracing.trace_context import TraceContext, new_context, parse_traceparent

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
