"""What tracing costs a request that is neither sampled nor in a caller's trace.

In: how often. Out: nothing; the time is what counts. The steps are those that are inlined in
RequestBoundary, the authentication, the admission and MeteredCall, on the same objects, with the
ModelWaitTimer, which would be there without tracing too.
"""

from collections.abc import Callable

from cluster.runtime.clock import SystemClock
from cluster.tracing.tracer import Tracer
from deployments.ingress.context import ModelWaitTimer, TimedEncoderCall
from deployments.ingress.tracing.request_tracing import RequestTracing

RATIO = 0.01
HEADERS = tuple(
    (name, b"value")
    for name in (
        b"host", b"accept", b"accept-encoding", b"connection", b"user-agent", b"authorization",
        b"content-type", b"content-length", b"x-forwarded-for", b"x-forwarded-proto",
    )
)  # fmt: skip


def unsampled_requests(count: int) -> Callable[[], None]:
    """A run of so many requests with one model call each, of which none is sampled."""
    clock = SystemClock()
    tracing = RequestTracing(Tracer(RATIO), clock)
    tracing.draw = lambda: 1.0 if tracing.tracer.draw() < 0 else 0.5  # as dear, and never sampled
    call = TimedEncoderCall("chat", "nano", "", 0.0)

    def run() -> None:
        for _ in range(count):
            traceparent = None
            for name, value in HEADERS:
                if name == b"traceparent":
                    traceparent = value
            timer = ModelWaitTimer(clock)
            if tracing.draw() < tracing.ratio or traceparent is not None:
                raise AssertionError("sampled")
            timer.authenticated_at = clock.monotonic()
            timer.admitted_at = clock.monotonic()
            call.opened_at = timer.opened()
            if len(timer.calls) < 64:
                timer.calls.append(call)
            call.ended_at = timer.answered()
            if (timer.trace is not None and timer.trace.is_sampled) or tracing.slow_s <= 0.01:
                raise AssertionError("recorded")

    return run
