"""Logs of tasks that run in processes of their own: they are about the request that caused them.

In: the context of the caller, which goes with the task. Out: lines in the file of the task's
process, with the caller's request, tenant and span.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from cluster.logs.process_log import configure_logging
from cluster.runtime.logging import logged_request
from cluster.runtime.settings import Settings
from cluster.tracing.log_context import current_traceparent, log_trace

PROCESS = "task"


@dataclass(frozen=True, slots=True)
class LogContext:
    """`trace` is a `traceparent`; all are empty where there is none."""

    request_id: str
    tenant: str
    trace: str

    @classmethod
    def current(cls) -> Self:
        """That of the current task of this process."""
        return cls(*logged_request.get(), current_traceparent())


@contextmanager
def logged_task(caller: LogContext) -> Iterator[None]:
    """Around a task in its process, which may be ended at any time after it."""
    log = configure_logging(Settings(), PROCESS)
    logged_request.set((caller.request_id, caller.tenant))
    log_trace(caller.trace)
    try:
        yield
    finally:
        log.flush()
