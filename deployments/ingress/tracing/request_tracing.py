"""Records the traces of this replica's requests.

In: a request that is sampled, was slow, or failed. Out: its spans, in the ring and to the exporter.
`ratio`, `slow_s` and `draw` are read by the layers that every request passes; nothing else here
runs for a request that is not recorded and names no trace.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Final

from starlette.types import Scope

from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.logging import redact
from cluster.runtime.problems import to_problem
from cluster.tracing.span import RecordedTrace
from cluster.tracing.trace_context import TraceContext
from cluster.tracing.tracer import Tracer
from deployments.ingress.context import STATE_KEY, ModelWaitTimer, RequestContext, RequestState
from deployments.ingress.http.client_address import is_sender_trusted
from deployments.ingress.tracing.request_spans import EndedRequest, request_spans, route_of

MAX_UNSAMPLED = 200  # failed and slow ones that are recorded in a second
SAMPLED, FAILED, SLOW = "sampled", "failed", "slow"
_CLIENT_GONE: Final = "client-gone"
Exemplify = Callable[[str, str, float, str, float], None]


class RequestTracing:
    """`trusted` are the networks whose `traceparent` decides what is sampled. `omitted` counts what
    failed or was slow, and was not recorded, as too many others were in the same second.
    `exemplify` is told of each request by HTTP that is recorded: its path, its kind of response,
    its milliseconds, its trace id, and when (Unix seconds).
    """

    __slots__ = (
        "_clock", "_networks", "_second", "_unsampled", "draw", "exemplify", "omitted", "ratio",
        "slow_s", "tracer",
    )  # fmt: skip

    def __init__(
        self,
        tracer: Tracer | None = None,
        clock: Clock | None = None,
        trusted: Sequence[str] = (),
    ) -> None:
        """Without a tracer, only failed and slow requests are recorded."""
        self.tracer = tracer or Tracer()
        self.ratio = self.tracer.ratio
        self.slow_s = self.tracer.slow_s
        self.draw = self.tracer.draw
        self.omitted = 0
        self.exemplify: Exemplify | None = None
        self._second = self._unsampled = 0
        self._clock = clock or SystemClock()
        self._networks = tuple(ip_network(network) for network in trusted)

    def begin(self, scope: Scope, traceparent: bytes | None, *, is_sampled: bool) -> TraceContext:
        """The span of a request by HTTP."""
        is_trusted = traceparent is not None and is_sender_trusted(scope, self._networks)
        return self.tracer.begin(traceparent, is_sampled=is_sampled, is_trusted=is_trusted)

    def record(
        self,
        scope: Scope,
        state: RequestState,
        timer: ModelWaitTimer,
        started_at: float,
        elapsed_ms: float,
    ) -> None:
        """A request by HTTP that has ended."""
        if not self._has_room(timer.trace):
            return
        status, trace = state.response.status, timer.trace
        is_failed = status >= 500 or (status == 200 and state.problem is not None)
        self._record(
            EndedRequest(
                trace=trace or self.tracer.begin(None, is_sampled=True),
                name=f"{scope['method']} {route_of(scope, state)}".rstrip(),
                started_at=started_at,
                elapsed_s=elapsed_ms / 1_000,
                request_id=state.request_id,
                caller=state.caller,
                context=state.context,
                timer=timer,
                problem=state.problem,
                is_failed=is_failed,
                scope=scope,
                status=status,
                is_clients_id=state.is_clients_id,
            ),
            _reason(trace, is_failed=is_failed),
        )

    def record_hit(
        self,
        scope: Scope,
        state: RequestState,
        traceparent: bytes | None,
        started_at: float,
        elapsed_ms: float,
        is_sampled: bool,
    ) -> None:
        """A response of the fast path, if it is sampled."""
        trace = self.begin(scope, traceparent, is_sampled=is_sampled)
        if not trace.is_sampled:
            return
        timer = ModelWaitTimer(self._clock, trace=trace)
        self._record(
            EndedRequest(
                trace=trace,
                name=f"{scope['method']} {scope['path']}",
                started_at=started_at,
                elapsed_s=elapsed_ms / 1_000,
                request_id=state.request_id,
                caller=state.caller,
                timer=timer,
                scope=scope,
                status=200,
                is_clients_id=state.is_clients_id,
                cache="l1",
            ),
            SAMPLED,
        )

    @contextmanager
    def handle_call(self, context: RequestContext, operation: str) -> Iterator[None]:
        """Around a call by handle."""
        timer, started_at = context.timer, self._clock.monotonic()
        timer.authenticated_at = started_at
        if self.draw() < self.ratio:
            timer.trace = self.tracer.begin(None, is_sampled=True)
        problem, is_failed = None, False
        try:
            yield
        except Exception as error:
            failure = to_problem(error)
            problem, is_failed = failure.slug, failure.status >= 500
            raise
        except BaseException:
            problem = _CLIENT_GONE
            raise
        finally:
            elapsed_s = self._clock.monotonic() - started_at
            is_recorded = timer.trace is not None or is_failed or elapsed_s >= self.slow_s
            if is_recorded and self._has_room(timer.trace):
                facts = EndedRequest(
                    trace=timer.trace or self.tracer.begin(None, is_sampled=True),
                    name=operation,
                    started_at=started_at,
                    elapsed_s=elapsed_s,
                    request_id=context.request_id,
                    caller=context.caller,
                    context=context,
                    timer=timer,
                    problem=problem,
                    is_failed=is_failed,
                )
                self._record(facts, _reason(timer.trace, is_failed=is_failed))

    def _has_room(self, trace: TraceContext | None) -> bool:
        """Whether to record one more; what was sampled always is."""
        if trace is not None and trace.is_sampled:
            return True
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._unsampled = second, 0
        self._unsampled += 1
        if self._unsampled > MAX_UNSAMPLED:
            self.omitted += 1
            return False
        return True

    def _record(self, facts: EndedRequest, reason: str) -> None:
        spans = request_spans(facts, self._clock.wall() - self._clock.monotonic(), reason)
        tenant = "" if facts.caller is None else facts.caller.tenant
        self.tracer.record(RecordedTrace(redact(facts.request_id), tenant, reason, spans))
        if self.exemplify is not None and facts.scope is not None and facts.trace.is_sampled:
            kind = facts.scope[STATE_KEY].response.kind
            ms, trace_id = facts.elapsed_s * 1_000, facts.trace.trace_id
            self.exemplify(facts.scope["path"], kind, ms, trace_id, self._clock.wall())


def _reason(trace: TraceContext | None, *, is_failed: bool) -> str:
    if is_failed:
        return FAILED
    return SAMPLED if trace is not None and trace.is_sampled else SLOW
