"""Which requests of a process are recorded, and where their spans go.

A request is recorded if its trace was sampled: by a caller who is trusted, or by this process, at
`ratio`; and whatever was sampled, if it failed or was slow. The decision is made before anything is
built: a request that is not recorded makes no span.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from cluster.tracing.span import RecordedTrace, TraceSpan
from cluster.tracing.trace_context import TraceContext, new_context, parse_traceparent
from cluster.tracing.trace_ring import TraceRing

Headers = Iterable[tuple[bytes, bytes]]


class SpanExporter(Protocol):
    """Sends spans on (otlp_exporter.py). Neither method waits long."""

    def export(self, spans: Sequence[TraceSpan]) -> None: ...

    def close(self) -> None: ...


class Tracer:
    """`ratio` is the part of requests that is sampled, 0 to 1: those for which `draw()` is less. A
    request is slow if its response begins after `slow_s` or later.
    """

    __slots__ = ("_exporter", "draw", "ratio", "ring", "slow_s")

    def __init__(
        self,
        ratio: float = 0.0,
        slow_s: float = 10.0,
        exporter: SpanExporter | None = None,
        *,
        ring: TraceRing | None = None,
        random: Random | None = None,
    ) -> None:
        """Without an exporter, traces are in the ring only."""
        self.ratio = ratio
        self.slow_s = slow_s
        self.ring = ring or TraceRing()
        self.draw = (random or Random()).random  # no call of ours: it is on every request's path
        self._exporter = exporter

    def begin(
        self,
        traceparent: bytes | None,
        headers: Headers = (),
        *,
        is_sampled: bool,
        is_trusted: bool = False,
        request_id: str = "",
    ) -> TraceContext:
        """The span of the request `request_id`. It is below the caller's, if its header is valid;
        then the `tracestate` of `headers` is kept. A trusted caller decides whether it is sampled;
        otherwise `is_sampled` does.
        """
        parent = None if traceparent is None else parse_traceparent(traceparent)
        if parent is None:
            return new_context(is_sampled=is_sampled, request_id=request_id)
        child = parent.with_state(headers).child()
        if is_trusted or child.is_sampled == is_sampled:
            return child
        return replace(child, is_sampled=is_sampled)

    def record(self, trace: RecordedTrace) -> None:
        """Keeps a trace, and queues it for the collector."""
        self.ring.add(trace)
        if self._exporter is not None:
            self._exporter.export(trace.spans)

    def close(self) -> None:
        """Sends what is queued; waits shortly."""
        if self._exporter is not None:
            self._exporter.close()
