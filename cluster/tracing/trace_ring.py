"""The last recorded traces of a process, found by request id or trace id without a collector."""

from collections import deque

from cluster.tracing.span import RecordedTrace

MAX_TRACES = 1_000
MAX_SPANS = 20_000  # of all of them together: a batch has many


class TraceRing:
    """Adding evicts the oldest. Not for threads."""

    def __init__(self, max_traces: int = MAX_TRACES, max_spans: int = MAX_SPANS) -> None:
        self._traces: deque[RecordedTrace] = deque()
        self._max_traces = max_traces
        self._max_spans = max_spans
        self._spans = 0

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, trace: RecordedTrace) -> None:
        traces = self._traces
        traces.append(trace)
        self._spans += len(trace.spans)
        while len(traces) > self._max_traces or (self._spans > self._max_spans and len(traces) > 1):
            self._spans -= len(traces.popleft().spans)

    def find(self, id: str, tenant: str | None = None) -> tuple[RecordedTrace, ...]:
        """The traces of a request id or trace id, oldest first; of `tenant` only, unless None."""
        return tuple(
            trace
            for trace in self._traces
            if id in (trace.request_id, trace.trace_id) and tenant in (None, trace.tenant)
        )
