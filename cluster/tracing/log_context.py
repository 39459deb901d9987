"""The span of the current task: in its log lines (cluster/runtime/logging.py) and in its events."""

from contextvars import ContextVar

from cluster.runtime.logging import logged_trace
from cluster.tracing.trace_context import TraceContext, parse_traceparent

_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def log_trace(traceparent: str) -> None:
    """The task, and those that it starts, log under this span; not where the header is invalid."""
    context = parse_traceparent(traceparent.encode())
    if context is not None:
        log_span(context)


def log_span(trace: TraceContext) -> None:
    """The same for a span of this process."""
    logged_trace.set((trace.trace_id, trace.span_id))
    _traceparent.set(trace.traceparent)


def current_traceparent() -> str:
    """The header for what the task calls; empty where it is neither sampled nor in a caller's
    trace."""
    return _traceparent.get()
