"""The W3C trace context: a place in a trace, and the header `traceparent` that carries it.

In: a header of a caller, or ids of our own. Out: a TraceContext, and the header for those that are
called. Format: W3C Trace Context, level 1, section 3.2 (version 00; of a later version, the parts
that version 00 has). `tracestate` is not passed on.
"""

import secrets
from dataclasses import dataclass

TRACEPARENT = b"traceparent"
_LENGTH = 55  # of version 00: 2 + 1 + 32 + 1 + 16 + 1 + 2
_HEX_AND_DASH = b"0123456789abcdef-"
_DASH = 0x2D
_SAMPLED = 1  # of the flags
_ZERO_TRACE, _ZERO_SPAN = b"0" * 32, b"0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One span in a trace; ids are lowercase hexadecimal, 32 and 16 digits.

    `parent_id` is the span above it (empty: it is the first of its trace). `is_sampled`: its trace
    is recorded whatever comes of the request.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    is_sampled: bool = False

    @property
    def traceparent(self) -> str:
        """The header for what this span calls."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.is_sampled)}"

    def child(self) -> "TraceContext":
        """A new span below this one."""
        return TraceContext(self.trace_id, new_span_id(), self.span_id, self.is_sampled)


def new_context(*, is_sampled: bool) -> TraceContext:
    """The first span of a new trace."""
    return TraceContext(secrets.token_hex(16), new_span_id(), "", is_sampled)


def new_span_id() -> str:
    return secrets.token_hex(8)


def parse_traceparent(value: bytes) -> TraceContext | None:
    """The caller's span, whose `parent_id` is not known; None for a header that is not valid, which
    counts as absent (section 4.3).
    """
    version, trace_id, span_id = value[:2], value[3:35], value[36:52]
    if (
        len(value) < _LENGTH
        or value[2] != _DASH
        or value[35] != _DASH
        or value[52] != _DASH
        or value[:_LENGTH].translate(None, _HEX_AND_DASH)
        or value.count(b"-", 0, _LENGTH) != 3
        or version == b"ff"
        or trace_id == _ZERO_TRACE
        or span_id == _ZERO_SPAN
    ):
        return None
    if len(value) > _LENGTH and (version == b"00" or value[_LENGTH] != _DASH):
        return None
    is_sampled = bool(int(value[53:55], 16) & _SAMPLED)
    return TraceContext(trace_id.decode(), span_id.decode(), "", is_sampled)
