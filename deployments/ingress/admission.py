"""Admission control: what stands between an authenticated request and the operation it asks for.

    admit (one request credit, one slot) -> run the operation -> free the slot, write the audit line

Flows in: a RequestContext and its request class. Flows out: an AdmittedRequest for as long as the
operation runs. HTTP and handles pass the same admission control. Tokens are reserved by the
pipelines, for each model call.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from cluster.audit.record import AuditRecord
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem, to_problem
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.limits import Limiter
from deployments.ingress.context import AdmittedRequest, RequestContext

MAX_RESOURCE = 300  # characters, as in the audit trail
MAX_MODEL = 200  # characters of a model's name
_URGENT = frozenset({RequestClass.GENERATE, RequestClass.EMBED, RequestClass.ANALYSE})


class AuditQueue(Protocol):
    """Takes audit records without waiting."""

    def enqueue(self, record: AuditRecord) -> None: ...


class AdmissionControl:
    """Admits requests, one permit each, and writes an audit record for every one."""

    def __init__(self, limiter: Limiter, trail: AuditQueue, clock: Clock) -> None:
        """`urgent` counts calls of models for which somebody waits: batches make room for them."""
        self.limiter = limiter
        self._trail = trail
        self.clock = clock
        self.urgent = 0

    def admitted(
        self,
        context: RequestContext,
        request_class: RequestClass,
        action: str,
        resource: str = "",
        scope: Scope | None = None,
        model: str | None = None,
    ) -> AbstractAsyncContextManager[AdmittedRequest]:
        """The admitted request, whose slot is freed and whose record is written at the end.

        `scope` is what the caller's credential must have. The record names the models that the
        request calls; if it calls none, `model`, which it asks for, or else `resource`. Raises
        RateLimited and Forbidden.
        """
        if model:
            resource = f"model:{model[:MAX_MODEL]}"
        return _AdmissionScope(self, context, request_class, action, resource, scope)

    def record_refused(self, context: RequestContext, action: str, problem: Problem) -> None:
        """Write the record of a request that was refused before admission."""
        self.record(context.caller, context.request_id, action, "", problem.slug)

    def record(
        self, caller: Caller, request_id: str, action: str, resource: str, outcome: str = "ok"
    ) -> None:
        """Write the audit record of one request."""
        actor = f"{caller.kind}:{caller.key_id}"
        now, tenant = self.clock.wall(), caller.tenant
        self._trail.enqueue(AuditRecord(now, tenant, actor, action, resource, outcome, request_id))


@dataclass(slots=True, eq=False)
class _AdmissionScope:
    """One use of `AdmissionControl.admitted`. A class, as a generator's way through contextlib and
    the event loop's list of generators costs as much as the admission."""

    _control: AdmissionControl
    _context: RequestContext
    _class: RequestClass
    _action: str
    _resource: str
    _scope: Scope | None
    _admitted: AdmittedRequest | None = None

    async def __aenter__(self) -> AdmittedRequest:
        context, scope = self._context, self._scope
        caller = context.caller
        try:
            permit = await self._control.limiter.admit(
                caller.tenant,
                context.plan,
                self._class,
                context.policies,
                caller.end_user,
                self._action,
            )
            admitted = self._admitted = context.admitted = AdmittedRequest(
                context.request_id,
                caller,
                context.plan,
                context.deadline,
                context.created,
                context.priority,
                context.directives,
                context.timer,
                policies=context.policies,
                tags=context.tags,
                excludes_model=context.excludes_model,
                collected=context.collected,
                permit=permit,
            )
            if self._class in _URGENT and context.priority is not Priority.BATCH:
                self._control.urgent += 1
            if context.timer.admitted_at == 0.0:
                context.timer.admitted_at = self._control.clock.monotonic()
            if scope is not None:
                context.require(scope)
            if self._class is RequestClass.ANALYSE:
                context.require_analysis(scope)
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return admitted

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the slot, write the record."""
        outcome, resource, context = "ok", self._resource, self._context
        admitted = self._admitted
        if error is not None:
            outcome = to_problem(error).slug if isinstance(error, Exception) else "client-gone"
        if admitted is not None:
            admitted.permit.close()
            if admitted.models:
                resource = ",".join([f"model:{model}" for model in sorted(admitted.models)])
        self._control.record(context.caller, context.request_id, self._action, resource, outcome)
