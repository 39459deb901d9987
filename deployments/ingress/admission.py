"""The tenant's gate: what stands between an authenticated call and the operation it asks for.

    admit (one request credit, one slot) -> run the operation -> free the slot, write the audit line

Flows in: a Call and the class of what it asks for. Flows out: a Permit for as long as that runs.
HTTP and handles pass the same gate. Tokens are reserved down the path, for each model call.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Protocol

from cluster.audit.record import AuditRecord
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem, to_problem
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan, RequestClass
from deployments.contracts.cache import NO_DIRECTIVES, CacheOutcome, Directives
from deployments.contracts.limits import Limiter, Permit
from deployments.ingress.context import RequestContext
from deployments.ingress.http.cache_headers import cache_status_headers

PlanOf = Callable[[str], Plan]


class AuditQueue(Protocol):
    """Takes audit lines without waiting."""

    def enqueue(self, record: AuditRecord) -> None: ...


class AdmittedRequest:
    """A call that was let in: its permit, the models that it has come to, what the cache made of
    each request for them, and the models that answered in another's place.
    """

    __slots__ = ("directives", "fallbacks", "models", "permit", "served")

    def __init__(self, permit: Permit, directives: Directives = NO_DIRECTIVES) -> None:
        self.permit = permit
        self.directives = directives
        self.models: set[str] = set()
        self.fallbacks: list[str] = []
        self.served: list[CacheOutcome] = []

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Fields about limits, the cache, and other models that answered, as of now."""
        fields = [*self.permit.headers(), *cache_status_headers(self.served)]
        if self.fallbacks:
            names = ", ".join(dict.fromkeys(self.fallbacks))
            fields.append((b"mobula-fallback", names.encode()))
        return fields


current_entrance: ContextVar[AdmittedRequest | None] = ContextVar("current_entrance", default=None)


class AdmissionControl:
    """Lets calls in, one permit each."""

    def __init__(self, limiter: Limiter, plan_of: PlanOf, trail: AuditQueue, clock: Clock) -> None:
        """`plan_of` gives the plan that a tenant is on now."""
        self._limiter = limiter
        self._plan_of = plan_of
        self._trail = trail
        self._clock = clock

    @asynccontextmanager
    async def admitted(
        self, call: RequestContext, request_class: RequestClass, action: str, resource: str
    ) -> AsyncIterator[AdmittedRequest]:
        """A slot for the body; whatever way it ends, the slot is freed and the line written.

        `resource` is what the line names unless the call comes to models.
        """
        entrance: AdmittedRequest | None = None
        outcome = "ok"
        try:
            plan = self._plan_of(call.caller.tenant)
            permit = await self._limiter.admit(call.caller.tenant, plan, request_class)
            entrance = AdmittedRequest(permit, call.directives)
            current_entrance.set(entrance)
            yield entrance
        except Exception as error:
            outcome = to_problem(error).slug
            raise
        except BaseException:
            outcome = "client-gone"
            raise
        finally:
            if entrance is not None:
                entrance.permit.close()
                resource = ",".join(f"model:{m}" for m in sorted(entrance.models)) or resource
            self._note(call.caller, call.request_id, action, resource, outcome)

    def try_admit(self, caller: Caller, plan: Plan, request_class: RequestClass) -> Permit | None:
        """A permit for an answer that is in hand; None where getting one takes waiting.

        Whoever takes one closes it, and tells of it by `passed`.
        """
        return self._limiter.try_admit(caller.tenant, plan, request_class)

    def record_admitted(self, caller: Caller, request_id: str, action: str, resource: str) -> None:
        """Write the line of a call that was let in at once, and answered."""
        self._note(caller, request_id, action, resource, "ok")

    def record_refused(self, call: RequestContext, action: str, problem: Problem) -> None:
        """Write the line of a call that did not get as far as the gate."""
        self._note(call.caller, call.request_id, action, "", problem.slug)

    def _note(
        self, caller: Caller, request_id: str, action: str, resource: str, outcome: str
    ) -> None:
        at, tenant = self._clock.wall(), caller.tenant
        self._trail.enqueue(
            AuditRecord(at, tenant, audit_actor(caller), action, resource, outcome, request_id)
        )


def audit_actor(caller: Caller) -> str:
    """The caller as audit lines name it."""
    return f"{caller.kind}:{caller.key_id}"
