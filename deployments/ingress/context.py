"""One request as the stages below the HTTP layers see it, whether it came by HTTP or by a handle.

    RequestState     what the HTTP layers know of a request; one for each ASGI scope
    RequestContext   an authenticated request
    AdmittedRequest  the same with its permit: what operations and pipelines take

An AdmittedRequest is only made by AdmissionControl, so no model is called without admission.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import Scope as AsgiScope

from cluster.runtime.clock import Clock, Deadline
from cluster.runtime.problems import DeadlineExceeded, Forbidden
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from deployments.contracts.cache import CacheOutcome, Directives
from deployments.contracts.limits import Permit
from deployments.ingress.http.cache_headers import cache_status_headers
from deployments.ingress.pipeline.response_relay import ResponseRelay

MODEL_HEADER = b"mobula-model"
CLIENT_CLOSED_REQUEST = 499  # logged where no response was sent (nginx's code)

HeaderFields = list[tuple[bytes, bytes]]
StoreResponse = Callable[[AsyncConnection, Mapping[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class ModelWaitTimer:
    """Adds up the time during which at least one model call was open; calls may overlap."""

    _clock: Clock
    _open: int = 0
    _since: float = 0.0
    _waited: float = 0.0

    def opened(self) -> None:
        if self._open == 0:
            self._since = self._clock.monotonic()
        self._open += 1

    def answered(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._waited += self._clock.monotonic() - self._since

    def waited_s(self) -> float:
        """Seconds up to now."""
        running = self._clock.monotonic() - self._since if self._open else 0.0
        return self._waited + running


@dataclass(slots=True)
class RequestContext:
    """An authenticated request.

    `plan` is the tenant's plan when the request was authenticated. `created` is Unix seconds;
    `deadline` is on this process's clock. `timer` measures the time that models take. `admitted` is
    set once admission control has let the request in. `policies` are those of the caller's key and
    its team (None: it has none). `tags` split the tenant's usage (http/usage_tags.py).
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

    def allows_model(self, model: str) -> bool:
        """Whether the plan, the key's team and the key itself include the model."""
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
        )

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the caller's credential has `scope`."""
        if not self.caller.allows(scope):
            raise missing_scope(scope)

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
    the operation (None: it takes none).
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
    """How much of a response has been sent."""

    status: int = CLIENT_CLOSED_REQUEST
    body_bytes: int = 0
    is_started: bool = False
    is_complete: bool = False


@dataclass(slots=True)
class RequestState:
    """What the HTTP layers know of one request. Each field is set by the layer that learns it.

    `is_clients_id`: the client chose the request id, so the id may contain a credential.
    `plan` is the caller's, where it was looked up already. `lift_deadline` ends the time limit, for
    a response without an end. `is_head`: the client asked for the headers of the response only.
    `problem` is the slug of the problem that was answered. `body_key` is the fast path's key of the
    body's bytes, `ignored` names the fields of the body that have no effect.
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
    response: ResponseProgress = field(default_factory=ResponseProgress)
    extra_headers: HeaderFields = field(default_factory=list)


STATE_KEY = "mobula"  # of the ASGI scope


def request_state(scope: AsgiScope) -> RequestState:
    """The state of an HTTP scope, which is made on first use."""
    state: RequestState | None = scope.get(STATE_KEY)
    if state is None:
        state = scope[STATE_KEY] = RequestState()
    return state
