"""One request as the stages below the HTTP layers see it, whether it came by HTTP or by a handle.

    RequestState     what the HTTP layers know of a request; one for each ASGI scope
    RequestContext   an authenticated request
    AdmittedRequest  the same with its permit: what operations and pipelines take

An AdmittedRequest is only made by AdmissionControl, so no model is called without admission.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import Scope as AsgiScope

from cluster.runtime.clock import Clock, Deadline
from cluster.runtime.problems import DeadlineExceeded, Forbidden, to_problem
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import GatedFeature, Plan
from cluster.tenants.policy import CallerPolicies
from cluster.tracing.trace_context import TraceContext
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.cache import CacheOutcome, Directives
from deployments.contracts.generation import GenerateRequest, TokenUsage
from deployments.contracts.limits import Permit
from deployments.contracts.text_generator import ModelCall
from deployments.ingress.http.cache_headers import cache_status_headers
from deployments.ingress.pipeline.response_relay import ResponseRelay

MODEL_HEADER = b"mobula-model"
MAX_STAGES = 64  # of a request that its trace shows
MAX_TIMED_CALLS = 64  # likewise
GUARDRAILS, RESERVE = "guardrails", "reserve"  # checks of texts; waits for limits of a model call
CLIENT_CLOSED_REQUEST = 499  # logged where no response was sent (nginx's code)
# What a scope writes to. What is there already can be read and deleted on any plan.
_WRITES = {
    Scope.MEDIA_WRITE: GatedFeature.VIDEO,
    Scope.LIBRARY_WRITE: GatedFeature.LIBRARY,
    Scope.LIBRARY_APPROVE: GatedFeature.LIBRARY,
    Scope.ANALYTICS_WRITE: GatedFeature.ANALYTICS,
    Scope.DOCUMENTS_WRITE: GatedFeature.DOCUMENTS,
    Scope.SEARCH_WRITE: GatedFeature.SEARCH,
}
# What requests of the class `analyse` with a scope use; those with another analyse texts.
_ANALYSES = {
    Scope.DOCUMENTS_READ: GatedFeature.DOCUMENTS,
    Scope.SEARCH_READ: GatedFeature.SEARCH,
}

HeaderFields = list[tuple[bytes, bytes]]
StoreResponse = Callable[[AsyncConnection, Mapping[str, Any]], Awaitable[None]]


class TimedCall(Protocol):
    """One call of a model, as its request's trace shows it (pipeline/metering.py).

    `answered_at` is when the first of its answer came; None: nothing has. `ended_at` 0: it has not
    ended. `timing` is Completion.timing. `error` is the slug of the problem by which it failed.
    """

    request: GenerateRequest
    call: ModelCall
    usage: TokenUsage
    opened_at: float
    answered_at: float | None
    ended_at: float
    timing: tuple[float, ...]
    finish_reasons: tuple[str, ...]
    error: str


@dataclass(slots=True)
class TimedEncoderCall:
    """One call of an embedding model or a classifier, as its request's trace shows it. `operation`
    is gen_ai's name of it, `trace` the call's span; the rest is as in TimedCall."""

    operation: str
    model: str
    trace: str
    opened_at: float
    ended_at: float = 0.0
    tokens: int = 0
    error: str = ""


@dataclass(slots=True)
class ModelWaitTimer:
    """Adds up the time during which at least one model call was open; calls may overlap.

    It also holds what the trace of the request is made of, should it be recorded: readings of the
    monotonic clock (0: not reached), the first model calls, the request's span (None: neither
    is it sampled, nor has a caller named a trace), and parts of the work, with begin and end.
    """

    clock: Clock
    _open: int = 0
    _since: float = 0.0
    _waited: float = 0.0
    authenticated_at: float = 0.0
    admitted_at: float = 0.0
    calls: list[TimedCall | TimedEncoderCall] = field(default_factory=list)
    trace: TraceContext | None = None
    stages: list[tuple[str, float, float]] | None = None

    def add_stage(self, name: str, since: float) -> None:
        """A part of the work that its trace shows has ended now; the first MAX_STAGES are kept."""
        if self.stages is None:
            self.stages = []
        if len(self.stages) < MAX_STAGES:
            self.stages.append((name, since, self.clock.monotonic()))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Around such a part."""
        since = self.clock.monotonic()
        try:
            yield
        finally:
            self.add_stage(name, since)

    @property
    def trace_state(self) -> str:
        return "" if self.trace is None else self.trace.state

    @contextmanager
    def encoder_call(self, operation: str, model: str) -> Iterator[TimedEncoderCall]:
        """Around a call that is no generation; the trace shows the first MAX_TIMED_CALLS."""
        trace = "" if self.trace is None else self.trace.child().traceparent
        timed = TimedEncoderCall(operation, model, trace, self.clock.monotonic())
        if len(self.calls) < MAX_TIMED_CALLS:
            self.calls.append(timed)
        try:
            yield timed
        except Exception as error:
            timed.error = to_problem(error).slug
            raise
        finally:
            timed.ended_at = self.clock.monotonic()

    def opened(self) -> float:
        """Returns the time."""
        now = self.clock.monotonic()
        if self._open == 0:
            self._since = now
        self._open += 1
        return now

    def answered(self) -> float:
        """Returns the time."""
        now = self.clock.monotonic()
        self._open -= 1
        if self._open == 0:
            self._waited += now - self._since
        return now

    def waited_s(self) -> float:
        """Seconds up to now."""
        running = self.clock.monotonic() - self._since if self._open else 0.0
        return self._waited + running


@dataclass(slots=True)
class RequestContext:
    """An authenticated request.

    `plan` is the tenant's plan when the request was authenticated. `created` is Unix seconds;
    `deadline` is on this process's clock. `timer` measures the time that models take. `admitted` is
    set once admission control has let the request in. `policies` are those of the caller's key and
    its team (None: it has none). `tags` split the tenant's usage (http/usage_tags.py).
    `excludes_model` says which models the plan leaves out as a whole (None: none). Usage waits in
    `collected` until the request's result is stored (None: it is charged at once).
    """

    request_id: str
    caller: Caller
    plan: Plan
    deadline: Deadline
    created: int
    priority: Priority
    directives: Directives
    timer: ModelWaitTimer
    admitted: "AdmittedRequest | None" = None
    policies: CallerPolicies | None = None
    tags: tuple[str, ...] = ()
    excludes_model: Callable[[str], bool] | None = None
    collected: CollectedUsage | None = None

    def allows_model(self, model: str) -> bool:
        """Whether the plan, the key's team and the key itself include the model."""
        if self.excludes_model is not None and self.excludes_model(model):
            return False
        policies = self.policies
        return self.plan.allows_model(model) and (policies is None or policies.allows_model(model))

    def part(self, request_id: str, priority: Priority) -> "RequestContext":
        """A request of its own that this one makes: for the same caller, under the same limits."""
        return RequestContext(
            request_id,
            self.caller,
            self.plan,
            self.deadline,
            self.created,
            priority,
            self.directives,
            self.timer,
            policies=self.policies,
            tags=self.tags,
            excludes_model=self.excludes_model,
            collected=self.collected,
        )

    @property
    def traceparent(self) -> str:
        """The request's span; empty where it is neither sampled nor in a caller's trace."""
        trace = self.timer.trace
        return "" if trace is None else trace.traceparent

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the caller's credential has `scope`, and its plan what the scope
        is for."""
        if not self.caller.allows(scope):
            raise missing_scope(scope)
        if self.plan.allowed_features is not None:
            self.require_feature(_WRITES.get(scope))

    def require_analysis(self, scope: Scope | None) -> None:
        """Raises Forbidden if the plan leaves out what requests of the class `analyse` with `scope`
        use: texts, or what the scope reads."""
        feature = GatedFeature.TEXT if scope is None else _ANALYSES.get(scope, GatedFeature.TEXT)
        self.require_feature(feature)

    def require_feature(self, feature: GatedFeature | None) -> None:
        """Raises Forbidden if the caller's plan leaves it out."""
        if not self.plan.allows_feature(feature):
            raise Forbidden(
                f"Plan '{self.plan.id}' does not include '{feature}'.", feature=str(feature)
            )

    def timeout_s(self, stage: str) -> float:
        """Seconds left for `stage`. Raises DeadlineExceeded if none are left."""
        deadline = self.deadline
        left = deadline.at - deadline.clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(stage)
        return left


def missing_scope(scope: Scope) -> Forbidden:
    """The problem of a credential without `scope`."""
    return Forbidden(f"This key lacks the scope '{scope}'.", required_scope=str(scope))


@dataclass(slots=True, kw_only=True)
class AdmittedRequest(RequestContext):
    """A request that admission control has let in; its permit is closed when it ends.

    `models` are those that it has called, `fallbacks` those that answered in place of the requested
    one. `outcomes` says for each model call how the cache answered it. `extra_headers` are
    response headers that an operation adds. `flags` names the rules of guardrails that have found
    something; without `is_repeatable` an equal request may be answered otherwise by them.
    `store_response` writes the response under the
    request's Idempotency-Key, in the operation's own transaction (None: there is no key).
    `is_templated`: what is asked for is not in the bytes of the body alone, but in a template.
    `resolved_models` are those to which names led that are no models' ids. It `varies` if the same
    request may be for another model at another time. `relay` takes pieces of a stream's text past
    the operation (None: it takes none). `readings` are its pictures that are read, or being read
    (pipeline/image_inputs.py; None: it has none).
    """

    permit: Permit
    models: set[str] = field(default_factory=set)
    fallbacks: list[str] = field(default_factory=list)
    outcomes: list[CacheOutcome] = field(default_factory=list)
    extra_headers: HeaderFields = field(default_factory=list)
    flags: tuple[str, ...] = ()
    is_repeatable: bool = True
    store_response: StoreResponse | None = None
    is_templated: bool = False
    resolved_models: tuple[str, ...] = ()
    varies: bool = False
    relay: ResponseRelay | None = None
    readings: dict[Any, Any] | None = None

    def headers(self) -> HeaderFields:
        """Response headers about limits, the cache and other models than the one that was named,
        as of now."""
        fields = [
            *self.permit.headers(),
            *cache_status_headers(self.outcomes),
            *self.extra_headers,
        ]
        if self.fallbacks:
            names = ", ".join(dict.fromkeys(self.fallbacks))
            fields.append((b"mobula-fallback", names.encode()))
        if self.resolved_models:
            fields.append(self.model_header())
        if self.flags:
            fields.append((b"mobula-guardrails", ", ".join(self.flags).encode()))
        return fields

    def model_header(self) -> tuple[bytes, bytes]:
        """Names the models to which the request's name led."""
        return MODEL_HEADER, ", ".join(self.resolved_models).encode()


@dataclass(slots=True)
class ResponseProgress:
    """How much of a response has been sent; `first_byte_s` after the request its headers were.

    `kind` is "unary", or what the response has become: "stream" or "feed". `overhead_ms` is the
    part of `first_byte_s` that no model took (negative: nothing was sent).
    """

    status: int = CLIENT_CLOSED_REQUEST
    body_bytes: int = 0
    is_started: bool = False
    is_complete: bool = False
    first_byte_s: float = 0.0
    overhead_ms: float = -1.0
    kind: str = "unary"


@dataclass(slots=True)
class RequestState:
    """What the HTTP layers know of one request. Each field is set by the layer that learns it.

    `is_clients_id`: the client chose the request id, so the id may contain a credential.
    `plan` is the caller's, where it was looked up already. `lift_deadline` ends the time limit, for
    a response without an end. `is_head`: the client asked for the headers of the response only.
    `problem` is the slug of the problem that was answered. `body_key` is the fast path's key of the
    body's bytes, `ignored` names the fields of the body that have no effect.
    `operation` is the name of the requested one. `cache` says how the fast path answered.
    """

    request_id: str = ""
    is_clients_id: bool = True
    caller: Caller | None = None
    plan: Plan | None = None
    deadline: Deadline | None = None
    lift_deadline: Callable[[], None] | None = None
    timer: ModelWaitTimer | None = None
    context: RequestContext | None = None
    model: str | None = None
    is_head: bool = False
    problem: str | None = None
    body_key: bytes = b""
    ignored: bytes = b""
    operation: str | None = None
    cache: str | None = None
    response: ResponseProgress = field(default_factory=ResponseProgress)
    extra_headers: HeaderFields = field(default_factory=list)


STATE_KEY = "mobula"  # of the ASGI scope


def request_state(scope: AsgiScope) -> RequestState:
    """The state of an HTTP scope, which is made on first use."""
    state: RequestState | None = scope.get(STATE_KEY)
    if state is None:
        state = scope[STATE_KEY] = RequestState()
    return state
