"""The trace of the current task in its log lines (cluster/runtime/logging.py)."""

from cluster.runtime.logging import logged_trace
from cluster.tracing.trace_context import parse_traceparent


def log_trace(traceparent: str) -> None:
    """The task, and those that it starts, log under this span; not where the header is invalid."""
    context = parse_traceparent(traceparent.encode())
    if context is not None:
        logged_trace.set((context.trace_id, context.span_id))
