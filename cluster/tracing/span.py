"""Spans as they are stored and exported: made after the work, from times that were taken in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from cluster.runtime.pickle_compat import version_tolerant

AttributeValue = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, AttributeValue]


class SpanKind(IntEnum):
    """The numbers of OTLP."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@version_tolerant
@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something at one time within a span; `at` in Unix seconds."""

    name: str
    at: float
    attributes: Attributes = field(default_factory=dict)


@version_tolerant
@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span in another trace that caused this one."""

    trace_id: str
    span_id: str


@version_tolerant
@dataclass(frozen=True, slots=True)
class TraceSpan:
    """`start` and `end` in Unix seconds. `error` says why it failed, in one word (empty: it did
    not). `process` names the replica that did the work (empty: the one that recorded it).
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: float
    end: float
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Attributes = field(default_factory=dict)
    error: str = ""
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    process: str = ""


@version_tolerant
@dataclass(frozen=True, slots=True)
class RecordedTrace:
    """The spans of one request or job in this process, the outermost first. `tenant` is empty where
    nobody was authenticated. `reason` says why it was recorded.
    """

    request_id: str
    tenant: str
    reason: str
    spans: tuple[TraceSpan, ...]

    @property
    def trace_id(self) -> str:
        return self.spans[0].trace_id
