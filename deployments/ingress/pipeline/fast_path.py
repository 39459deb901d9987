"""Cached responses to requests whose bytes were seen before, without a router and without parsing.

    headers -> caller -> key of the body -> memory (L1) -> one credit -> response -> records

Flows in: POSTs to the hot routes. Flows out: responses that memory has; everything else goes on to
the whole application, which takes over the caller and the body that were read here. No body is read
before its credential is verified, and none is waited for: a body that is over the limit, or not
there within BODY_WAIT_S, is left to the layers that bound and time it. A body's bytes lead to a
response only after the whole application has led them there (`RenderedResponses.add`), under the
same tenant, route, models and plan; what may have changed since is checked on every request.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.tenants.caller import Caller
from cluster.tenants.caller import Scope as Grant
from cluster.tenants.plan import Feature, Plan, RequestClass
from cluster.tenants.policy import CallerPolicies
from deployments.cache.keys import request_bytes_key
from deployments.cache.metrics import CacheMetrics
from deployments.cache.policy import EntryPolicy
from deployments.cache.tiers.memory import MemoryEntry, MemoryTier
from deployments.contracts.cache import CacheOutcome
from deployments.contracts.limits import Permit
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.cache_headers import cache_status_headers
from deployments.ingress.http.middleware.boundary import (
    API_HEADERS,
    TrustedHosts,
    access_line,
    request_id_of,
)
from deployments.ingress.http.request_body import FirstMessageWait
from deployments.ingress.http.request_metrics import RequestMetrics
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_fingerprints import ModelFingerprints
from deployments.ingress.tracing.request_tracing import RequestTracing

# Headers that ask for something which only the whole application does.
_SPECIAL_HEADERS = frozenset(
    (
        b"cache-control",
        b"content-encoding",
        b"idempotency-key",
        b"mobula-cache",
        b"mobula-cache-tags",
        b"mobula-priority",
        b"mobula-tags",
        b"mobula-timeout",
        b"origin",
    )
)
_JSON = frozenset((b"application/json", b"application/json; charset=utf-8"))
_BEARER = frozenset((b"Bearer ", b"bearer "))
_TOKEN_BYTES = 8  # of the number of tokens with which a rendered response begins
_MAX_RENDERED = 16 << 10  # larger responses may be worth compressing
_COLON, _NEXT_FIELD = b":", b"\n"  # between a header's name, its value and the next header
_FIELDS_END = b"\0"  # in no header
_MAX_DIGITS = 20  # of a length that is no attack on int()
BODY_WAIT_S = 0.25  # a body that is not there by then has the deadline of the whole application


HeaderFields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class HotRoute:
    """A POST route with cached responses: its operation, and what their ids begin with."""

    operation: str
    prefix: bytes
    request_class: RequestClass = RequestClass.GENERATE


class RenderedResponses:
    """Cached responses in memory as they are sent, found by the bytes of requests for them."""

    def __init__(
        self,
        memory: MemoryTier,
        policy: EntryPolicy,
        metrics: CacheMetrics,
        fingerprints: ModelFingerprints,
        secret_of: Callable[[str], bytes],
        clock: Clock,
    ) -> None:
        """`secret_of` gives a tenant's secret."""
        self._memory = memory
        self._policy = policy
        self._metrics = metrics
        self._fingerprints = fingerprints
        self._secret_of = secret_of
        self._clock = clock

    def find(
        self, tenant: str, plan: Plan, operation: str, body: bytes
    ) -> tuple[bytes, MemoryEntry | None]:
        """The key of these bytes, sent to this operation under the current models and plan; and the
        entry of a fresh response that they have led to before.
        """
        sampled = Feature.CACHE_SAMPLED in plan.features
        variant = f"{operation} {sampled} {plan.guardrails} {self._fingerprints.version}"
        key = request_bytes_key(self._secret_of(tenant), variant, body)
        if key not in self._memory.aliases:
            return key, None
        if self._clock.monotonic() > self._policy.invalidations.current_until:
            return key, None
        cached = self._memory.get_by_alias(key)
        if cached is None or self._policy.state(cached.entry) != "fresh":
            return key, None
        rendered = cached.views.get(view_name(operation, plan) if plan.guardrails else operation)
        return key, None if rendered is None or len(rendered) > _MAX_RENDERED else cached

    def add(
        self,
        key: bytes,
        view: str,
        id: str,
        response: bytes,
        tokens: int,
        cache_key: bytes,
        fields: HeaderFields = (),
        end_user: str = "",
    ) -> None:
        """From now on `key` leads to the entry of `cache_key`, which is sent as `response` with
        another id, and with the header `fields`; the bytes of the request name `end_user`. `view`
        is the `view_name`. Nothing is added for a response that does not begin with its id.
        """
        start = b'{"id":"' + id.encode() + b'"'
        cached = self._memory.get(cache_key)
        if cached is None or not response.startswith(start):
            return
        rendered = tokens.to_bytes(_TOKEN_BYTES) + response[len(start) :]
        if view in cached.views or self._memory.add_rendered(cached, view, rendered):
            note = _NEXT_FIELD.join([_COLON.join(field) for field in fields])
            if end_user:
                note += _FIELDS_END + end_user.encode()
            self._memory.put_alias(key, cache_key, note)

    def note(self, key: bytes) -> bytes:
        """The header fields of a response to the bytes of `key`, which were just found, in one
        (`noted_fields`); and, if the bytes name one, _FIELDS_END and the end user."""
        return self._memory.aliases[key].note

    def record_hit(self, tenant: str, tokens: int) -> None:
        """A response of so many tokens came from memory."""
        metrics = self._metrics[tenant]
        metrics.l1 += 1
        metrics.tokens_saved += tokens


class FastPath:
    """`app` is the whole application, `others` what answers paths that are not among `routes`."""

    def __init__(
        self,
        app: ASGIApp,
        responses: RenderedResponses,
        routes: Mapping[str, HotRoute],
        *,
        verify: Callable[[str], Caller],
        plan_of: Callable[[str], Plan],
        policies: Mapping[str, CallerPolicies],
        admission: AdmissionControl,
        recorder: UsageRecorder,
        access_log: Callable[[bytes], None],
        clock: Clock,
        hosts: TrustedHosts | None,
        max_body_bytes: int,
        metrics: RequestMetrics,
        tracing: RequestTracing,
        others: ASGIApp,
    ) -> None:
        """`verify` gives a credential's caller, `plan_of` a tenant's plan; both raise Problems.
        `policies` are those of the keys that have any.
        """
        self._app = app
        self._responses = responses
        self._routes = dict(routes)
        self._verify = verify
        self._plan_of = plan_of
        self._policies = policies
        self._admission = admission
        self._recorder = recorder
        self._access_log = access_log
        self._clock = clock
        self._hosts = hosts
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._tracing = tracing
        self._others = others
        self._wait = FirstMessageWait(BODY_WAIT_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = self._clock.monotonic()
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None:
            await self._others(scope, receive, send)
            return
        caller = self._caller(scope)
        if caller is None:
            await self._app(scope, receive, send)
            return
        state = scope[STATE_KEY] = RequestState(caller=caller)
        message = await self._wait.receive(receive)
        if message is None:
            await self._app(scope, receive, send)
            return
        response = None
        if message["type"] == "http.request" and not message.get("more_body", False):
            body = message.get("body", b"")
            response = self._respond(scope, state, route, caller, body, started)
        if response is None:
            await self._app(scope, _Replay(message, receive), send)
            return
        for part in response:
            await send(part)

    def _caller(self, scope: Scope) -> Caller | None:
        """The caller, who may generate, of a request that asks for nothing special and is not too
        large. The whole application refuses all others.
        """
        if scope["method"] != "POST" or (
            self._hosts is not None and not self._hosts.are_trusted(scope)
        ):
            return None
        headers = dict(scope["headers"])
        if headers.get(b"content-type") not in _JSON or not _SPECIAL_HEADERS.isdisjoint(headers):
            return None
        length = headers.get(b"content-length", b"0")
        if len(length) >= _MAX_DIGITS or not length.isdigit() or int(length) > self._max_body_bytes:
            return None
        authorization = headers.get(b"authorization", b"")
        if authorization[:7] not in _BEARER:
            return None
        try:
            caller = self._verify(authorization[7:].decode("latin-1"))
        except Problem:
            return None
        return caller if caller.allows(Grant.GENERATE) else None

    def _respond(
        self,
        scope: Scope,
        state: RequestState,
        route: HotRoute,
        caller: Caller,
        body: bytes,
        started: float,
    ) -> tuple[Message, Message] | None:
        """The response, if memory has one that this caller may have, and may have now."""
        if len(body) > self._max_body_bytes:
            return None
        try:
            state.plan = plan = self._plan_of(caller.tenant)
        except Problem:
            return None  # the whole application refuses it
        state.body_key, cached = self._responses.find(caller.tenant, plan, route.operation, body)
        if cached is None:
            return None
        entry, model = cached.entry, cached.entry.model
        noted, _, end_user = self._responses.note(state.body_key).partition(_FIELDS_END)
        if end_user:
            caller = replace(caller, end_user=end_user.decode())
        permit = self._admit(caller, plan, route, model)
        if permit is None:
            return None
        age_s = max(0.0, self._clock.wall() - entry.created)
        hit = CacheOutcome(detail="l1", age_s=age_s, ttl_s=entry.lives.soft - age_s)
        fields = [*permit.headers(), *cache_status_headers((hit,))]
        permit.close()
        request_id, is_clients, traceparent = request_id_of(scope)
        state.request_id, state.is_clients_id = request_id, is_clients
        state.model = model
        state.operation = operation = route.operation
        state.cache = hit.detail
        rendered = cached.views[view_name(operation, plan) if plan.guardrails else operation]
        tokens = int.from_bytes(rendered[:_TOKEN_BYTES])
        content = b"".join((route.prefix, request_id.encode(), b'"', rendered[_TOKEN_BYTES:]))
        self._admission.urgent += 1
        self._admission.record(caller, request_id, route.operation, f"model:{model}")
        self._recorder.record_cache_hit(caller, plan, model)
        self._responses.record_hit(caller.tenant, tokens)
        elapsed_ms = (self._clock.monotonic() - started) * 1000
        path, size = scope["path"], len(content)
        tenant = caller.tenant
        self._metrics.record(path, "POST", 200, elapsed_ms, size, tenant, overhead_ms=elapsed_ms)
        tracing = self._tracing
        is_sampled = tracing.draw() < tracing.ratio
        if is_sampled or traceparent is not None:
            tracing.record_hit(scope, state, traceparent, started, elapsed_ms, is_sampled)
        self._access_log(access_line(self._clock, scope, 200, elapsed_ms, size))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % size),
            (b"x-mobula-overhead-ms", b"%.2f" % elapsed_ms),
            *API_HEADERS,
            *fields,
            (b"x-request-id", request_id.encode()),
        ]
        if noted:
            headers += noted_fields(noted)
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return start, {"type": "http.response.body", "body": content}

    def _admit(self, caller: Caller, plan: Plan, route: HotRoute, model: str) -> Permit | None:
        """The permit, if the caller may have the model, and there is room in all limits now. The
        whole application admits where the plan limits single operations or leaves features out."""
        policies, limiter = self._policies.get(caller.key_id), self._admission.limiter
        request_class = route.request_class
        if route.operation in plan.operations_rates or plan.allowed_features is not None:
            return None
        if plan.models is not None and not plan.allows_model(model):
            return None
        if policies is None:
            return limiter.try_admit(caller.tenant, plan, request_class, end_user=caller.end_user)
        if not policies.allows_model(model):
            return None
        permit = limiter.try_admit(caller.tenant, plan, request_class, policies, caller.end_user)
        if permit is not None:
            permit.charge_cache_hit(model)
        return permit


def noted_fields(note: bytes) -> list[tuple[bytes, bytes]]:
    """The header fields of a note of `RenderedResponses.add`."""
    lines = [line.partition(_COLON) for line in note.split(_NEXT_FIELD)]
    return [(name, value) for name, _, value in lines]


def view_name(operation: str, plan: Plan) -> str:
    """The name under which a rendered response is held. It is one that the guardrails of the plan
    found nothing in: another plan's may.
    """
    return f"{operation} {plan.guardrails}" if plan.guardrails else operation


@dataclass(slots=True, eq=False)
class _Replay:
    """A `receive` that gives `first` before the rest."""

    first: Message | None
    receive: Receive

    async def __call__(self) -> Message:
        message = self.first
        if message is None:
            return await self.receive()
        self.first = None
        return message
