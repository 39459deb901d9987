"""Records the traces of this replica's requests.

In: a request that is sampled, was slow, or failed. Out: its spans, in the ring and to the exporter.
`ratio`, `slow_s` and `draw` are read by the layers that every request passes; nothing else here
runs for a request that is not recorded and names no trace.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Final

from starlette.types import Scope

from cluster.metrics.catalogue import tracing
from cluster.metrics.series import Reading
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.logging import redact
from cluster.runtime.problems import to_problem
from cluster.tracing.log_context import log_span
from cluster.tracing.span import RecordedTrace
from cluster.tracing.trace_context import TraceContext
from cluster.tracing.tracer import Tracer
from deployments.ingress.context import STATE_KEY, ModelWaitTimer, RequestContext, RequestState
from deployments.ingress.http.client_address import is_sender_trusted
from deployments.ingress.tracing.request_spans import EndedRequest, request_spans, route_of

MAX_UNSAMPLED = 200  # failed and slow ones that are recorded in a second; of new kinds as many more
SAMPLED, FAILED, SLOW = "sampled", "failed", "slow"
_CLIENT_GONE: Final = "client-gone"
_INTERNAL: Final = "internal-error"  # logged with its traceback already
Exemplify = Callable[[str, str, float, str, float], None]

logger = logging.getLogger("mobula.ingress")


class RequestTracing:
    """`trusted` are the networks whose `traceparent` decides what is sampled. What failed or was
    slow and was not sampled is recorded too, unless MAX_UNSAMPLED others were in the same second;
    the first of a kind (name, and problem or slowness) in a second always is.
    `exemplify` is told of each request by HTTP that is recorded: its path, its kind of response,
    its milliseconds, its trace id, and when (Unix seconds).
    """

    __slots__ = (
        "_clock", "_kinds", "_networks", "_second", "_unsampled", "dropped", "draw", "exemplify",
        "ratio", "recorded", "slow_s", "tracer",
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
        self.recorded: Counter[str] = Counter()  # by reason
        self.dropped: Counter[str] = Counter()
        self.exemplify: Exemplify | None = None
        self._second = self._unsampled = 0
        self._kinds: set[tuple[str, str]] = set()
        self._clock = clock or SystemClock()
        self._networks = tuple(ip_network(network) for network in trusted)

    def begin(self, scope: Scope, traceparent: bytes | None, *, is_sampled: bool) -> TraceContext:
        """The span of a request by HTTP, whose state has its id. Log lines of the task name it."""
        state: RequestState = scope[STATE_KEY]
        is_trusted = traceparent is not None and is_sender_trusted(scope, self._networks)
        trace = self.tracer.begin(
            traceparent,
            scope["headers"],
            is_sampled=is_sampled,
            is_trusted=is_trusted,
            request_id=state.request_id,
        )
        log_span(trace)
        return trace

    def record(
        self,
        scope: Scope,
        state: RequestState,
        timer: ModelWaitTimer,
        started_at: float,
        elapsed_ms: float,
    ) -> None:
        """A request by HTTP that has ended."""
        status = state.response.status
        is_failed = status >= 500 or (status == 200 and state.problem is not None)
        facts = EndedRequest(
            trace=self._span_of(timer.trace, state.request_id),
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
        )
        self._record_ended(facts, timer.trace)

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
        state.timer = timer = ModelWaitTimer(self._clock, trace=trace)
        if not trace.is_sampled:
            return
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
    def handle_call(
        self, context: RequestContext, operation: str, traceparent: str = ""
    ) -> Iterator[None]:
        """Around a call by handle, of a caller that is trusted."""
        timer, started_at = context.timer, self._clock.monotonic()
        timer.authenticated_at = started_at
        is_sampled = self.draw() < self.ratio
        if is_sampled or traceparent:
            timer.trace = self.tracer.begin(
                traceparent.encode(),
                is_sampled=is_sampled,
                is_trusted=True,
                request_id=context.request_id,
            )
            log_span(timer.trace)
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
            is_sampled = timer.trace is not None and timer.trace.is_sampled
            if is_sampled or is_failed or elapsed_s >= self.slow_s:
                facts = EndedRequest(
                    trace=self._span_of(timer.trace, context.request_id),
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
                self._record_ended(facts, timer.trace)

    def read_metrics(self) -> Iterator[Reading]:
        """Traces that were recorded, and those that were not, as too many were."""
        yield tracing.RECORDED, [((reason,), count) for reason, count in self.recorded.items()]
        yield tracing.DROPPED, [((reason,), count) for reason, count in self.dropped.items()]

    def _span_of(self, trace: TraceContext | None, request_id: str) -> TraceContext:
        """The request's span; one that nobody has drawn or named is made now."""
        if trace is None:
            trace = self.tracer.begin(None, is_sampled=True, request_id=request_id)
            log_span(trace)
        return trace

    def _record_ended(self, facts: EndedRequest, drawn: TraceContext | None) -> None:
        """`drawn` is the span that the request had while it ran; from now on it has one."""
        facts.timer.trace = facts.trace
        is_sampled = drawn is not None and drawn.is_sampled
        reason = FAILED if facts.is_failed else SAMPLED if is_sampled else SLOW
        if facts.is_failed and facts.problem != _INTERNAL:
            _log_failure(facts)
        if is_sampled or self._has_room(facts):
            self._record(facts, reason)
        else:
            self.dropped[reason] += 1

    def _has_room(self, facts: EndedRequest) -> bool:
        """Whether to record one more that was not sampled."""
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._unsampled = second, 0
            self._kinds.clear()
        kind, kinds = (facts.name, facts.problem or str(facts.status)), self._kinds
        is_new = kind not in kinds and len(kinds) < MAX_UNSAMPLED
        if is_new:
            kinds.add(kind)
        self._unsampled += 1
        return is_new or self._unsampled <= MAX_UNSAMPLED

    def _record(self, facts: EndedRequest, reason: str) -> None:
        spans = request_spans(facts, self._clock.wall() - self._clock.monotonic(), reason)
        tenant = "" if facts.caller is None else facts.caller.tenant
        self.recorded[reason] += 1
        self.tracer.record(RecordedTrace(redact(facts.request_id), tenant, reason, spans))
        if self.exemplify is not None and facts.scope is not None and facts.trace.is_sampled:
            kind = facts.scope[STATE_KEY].response.kind
            ms, trace_id = facts.elapsed_s * 1_000, facts.trace.trace_id
            self.exemplify(facts.scope["path"], kind, ms, trace_id, self._clock.wall())


def _log_failure(facts: EndedRequest) -> None:
    """An error whose group is that of its problem: the message is the template, too."""
    problem = facts.problem or str(facts.status)
    logger.error("request failed: " + problem, extra={"route": facts.name})  # noqa: G003
