"""Kept answers to requests whose bytes were seen before, without a router and without parsing.

    headers -> caller -> name of the body -> memory (L1) -> one credit -> answer -> records

Flows in: POSTs to the hot routes. Flows out: answers that memory has; everything else goes on to
the whole application, which takes over the caller and the body that were read here. Nobody's body
is read before its credential is verified, and none is waited for: one that is over the limit, or
not there within BODY_WAIT_S, is left to the layers that bound and time it. A body's bytes
lead to an answer only after the whole application has led them there (`learn`), under the same
tenant, route, models and plan; what may change since then is checked on every request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Caller
from cluster.tenants.caller import Scope as Grant
from cluster.tenants.plan import Plan, RequestClass
from deployments.cache.tiers.memory import MemoryEntry
from deployments.ingress.cache_stack import CacheStack, split_rendered
from deployments.ingress.http.cache_headers import cache_status_headers
from deployments.ingress.http.middleware.boundary import (
    API_HEADERS,
    TrustedHosts,
    access_line,
    client_request_id,
    new_request_id,
)
from deployments.ingress.http.request_body import FirstMessageWait
from deployments.ingress.services import AppServices

# Headers that ask for something which only the whole application does.
_ASKING = frozenset(
    (
        b"cache-control",
        b"content-encoding",
        b"idempotency-key",
        b"mobula-cache",
        b"mobula-cache-tags",
        b"mobula-priority",
        b"mobula-timeout",
        b"origin",
        b"x-request-disconnect-disabled",
        b"x-request-timeout-seconds",
    )
)
_JSON = frozenset((b"application/json", b"application/json; charset=utf-8"))
_BEARER = frozenset((b"Bearer ", b"bearer "))
_WHOLE = 16 << 10  # larger answers may be worth compressing
_DIGITS = 20  # of a length that is no attack on int()
BODY_WAIT_S = 0.25  # a body that is not there by then has the deadline of the whole application

Headers = list[tuple[bytes, bytes]]


Answer = tuple[Message, Message]


@dataclass(frozen=True, slots=True)
class HotRoute:
    """A POST route with kept answers: its operation, and what its answers' ids begin with."""

    operation: str
    prefix: bytes
    request_class: RequestClass = RequestClass.GENERATE


class FastPath:
    """`app` is the whole application. Without memory nothing is ever found here."""

    def __init__(
        self,
        app: ASGIApp,
        services: AppServices,
        caches: CacheStack,
        routes: Mapping[str, HotRoute],
        *,
        behind_serve: bool,
    ) -> None:
        self._app = app
        self._services = services
        self._caches = caches
        self._routes = dict(routes)
        self._behind_serve = behind_serve
        self._hosts = TrustedHosts(services.settings.allowed_hosts)
        self._limit = services.settings.max_body_bytes
        self._wait = FirstMessageWait(BODY_WAIT_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        started = self._services.clock.monotonic()
        key = None if route is None else self._key(scope)
        caller = None if key is None else self._verified(key)
        if route is None or caller is None:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        message = await self._wait.receive(receive)
        if message is None:
            await self._app(scope, receive, send)
            return
        answer = None
        if message["type"] == "http.request" and not message.get("more_body", False):
            answer = self._answer(scope, route, caller, message.get("body", b""), started)
        if answer is None:
            await self._app(scope, _again(message, receive), send)
            return
        for part in answer:
            await send(part)

    def _key(self, scope: Scope) -> str | None:
        """The credential of a request that asks for nothing special and is not too large."""
        if scope["method"] != "POST" or not self._hosts.are_trusted(scope):
            return None
        key, json = None, False
        for name, value in scope["headers"]:
            if name in _ASKING:
                return None
            if name == b"authorization" and value[:7] in _BEARER:
                key = value[7:]
            elif name == b"content-type":
                json = value in _JSON
            elif name == b"content-length" and not self._fits(value):
                return None
        return key.decode("latin-1") if key and json else None

    def _fits(self, declared: bytes) -> bool:
        return len(declared) < _DIGITS and declared.isdigit() and int(declared) <= self._limit

    def _verified(self, key: str) -> Caller | None:
        """Whose key it is, if it may generate; the whole application refuses all others."""
        try:
            caller = self._services.authenticator.verify(key)
        except Problem:
            return None
        return caller if caller.allows(Grant.GENERATE) else None

    def _answer(
        self, scope: Scope, route: HotRoute, caller: Caller, body: bytes, started: float
    ) -> Answer | None:
        services, state = self._services, scope["state"]
        try:
            plan = services.plan_of(caller.tenant)
        except Problem:
            return None  # the whole application refuses it
        held = self._find(state, route, caller, plan, body)
        if held is None:
            return None
        permit = services.gate.try_admit(caller, plan, route.request_class)
        if permit is None:
            return None
        fields = [*permit.headers(), *cache_status_headers((self._caches.hit(held.entry),))]
        permit.close()
        return self._told(scope, route, caller, plan, held, fields, started)

    def _find(
        self, state: dict[str, Any], route: HotRoute, caller: Caller, plan: Plan, body: bytes
    ) -> MemoryEntry | None:
        """A fresh answer to these very bytes, which this caller may have."""
        if len(body) > self._limit:
            return None
        state["alias"] = alias = self._caches.alias(caller.tenant, plan, route.operation, body)
        held = self._caches.get_by_alias(alias)
        if held is None or not plan.allows_model(held.entry.model):
            return None
        view = held.views.get(route.operation)
        return None if view is None or len(view) > _WHOLE else held

    def _told(
        self,
        scope: Scope,
        route: HotRoute,
        caller: Caller,
        plan: Plan,
        held: MemoryEntry,
        fields: Headers,
        started: float,
    ) -> Answer:
        services, state, model = self._services, scope["state"], held.entry.model
        given = client_request_id(scope)
        request_id = given or new_request_id()
        state |= {"request_id": request_id, "tenant": caller.tenant, "key_id": caller.key_id}
        state["model"] = model
        tokens, tail = split_rendered(held.views[route.operation])
        body = b"".join((route.prefix, request_id.encode(), b'"', tail))
        services.gate.record_admitted(caller, request_id, route.operation, f"model:{model}")
        services.record_kept(caller, plan, model)
        self._caches.count(caller.tenant, tokens)
        spent_ms = (services.clock.monotonic() - started) * 1000
        services.access_log(access_line(services.clock, scope, 200, spent_ms, len(body)))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-mobula-overhead-ms", b"%.2f" % spent_ms),
            *API_HEADERS,
            *fields,
        ]
        if given is None or not self._behind_serve:
            headers.append((b"x-request-id", request_id.encode()))
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        return start, {"type": "http.response.body", "body": body}


def _again(message: Message, receive: Receive) -> Receive:
    """A `receive` that gives `message` first."""
    first: list[Message] = [message]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
