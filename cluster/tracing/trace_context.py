"""The W3C trace context: a place in a trace, and the headers that carry it.

In: headers of a caller, or ids of our own. Out: a TraceContext, and the headers for those that are
called. Format: W3C Trace Context, level 1, section 3.2 (version 00; of a later version, the parts
that version 00 has) and 3.3. `tracestate` is passed on as it came; Mobula has no entry in it.

The trace id of a request that is in no caller's trace is that of its request id, if it has one of
Mobula's: so a request that is recorded only because of how it ended has the trace id that its log
lines have already.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"
MAX_STATE = 512  # characters that are passed on
_MAX_MEMBERS = 32
_REQUEST_PREFIX = "req_"
_OWN_REQUEST_ID = re.compile(r"req_(?!0{32})[0-9a-f]{32}")
_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER = re.compile(_KEY + r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]", re.ASCII)
_LENGTH = 55  # of version 00: 2 + 1 + 32 + 1 + 16 + 1 + 2
_HEX_AND_DASH = b"0123456789abcdef-"
_DASH = 0x2D
_SAMPLED = 1  # of the flags
_ZERO_TRACE, _ZERO_SPAN = b"0" * 32, b"0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """One span in a trace; ids are lowercase hexadecimal, 32 and 16 digits.

    `parent_id` is the span above it (empty: it is the first of its trace). `is_sampled`: its trace
    is recorded whatever comes of the request. `state` is the caller's `tracestate`.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    is_sampled: bool = False
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The header for what this span calls."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.is_sampled)}"

    def child(self) -> "TraceContext":
        """A new span below this one."""
        return TraceContext(self.trace_id, new_span_id(), self.span_id, self.is_sampled, self.state)

    def with_state(self, headers: Iterable[tuple[bytes, bytes]]) -> "TraceContext":
        """The same with the `tracestate` of these headers."""
        fields = [value for name, value in headers if name == TRACESTATE]
        return replace(self, state=parse_tracestate(fields)) if fields else self


def new_context(*, is_sampled: bool, request_id: str = "") -> TraceContext:
    """The first span of a new trace."""
    trace_id = trace_id_of(request_id) or secrets.token_hex(16)
    return TraceContext(trace_id, new_span_id(), "", is_sampled)


def trace_id_of(request_id: str) -> str:
    """The trace id of a request that is in no caller's trace; empty if it cannot be known from its
    id, which the client chose."""
    is_own = _OWN_REQUEST_ID.fullmatch(request_id)
    return request_id.removeprefix(_REQUEST_PREFIX) if is_own else ""


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


def parse_tracestate(fields: Iterable[bytes]) -> str:
    """The values of a caller's headers `tracestate` as one, at most MAX_STATE characters; entries
    at the end, the oldest, are left out first. Empty if any is invalid (section 3.3.1)."""
    try:
        text = b",".join(fields).decode("ascii")
    except UnicodeDecodeError:
        return ""
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    if len(members) > _MAX_MEMBERS or len(keys) < len(members):
        return ""
    if not all(map(_MEMBER.fullmatch, members)):
        return ""
    while len(state := ",".join(members)) > MAX_STATE:
        members.pop()
    return state
