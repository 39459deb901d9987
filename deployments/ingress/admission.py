"""Admission control: what stands between an authenticated request and the operation it asks for.

    admit (one request credit, one slot) -> run the operation -> free the slot, write the audit line

Flows in: a RequestContext and its request class. Flows out: an AdmittedRequest for as long as the
operation runs. HTTP and handles pass the same admission control. Tokens are reserved by the
pipelines, for each model call.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from cluster.audit.record import AuditRecord
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem, to_problem
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.limits import Limiter
from deployments.ingress.context import AdmittedRequest, RequestContext, missing_scope

MAX_RESOURCE = 300  # characters, as in the audit trail
MAX_MODEL = 200  # characters of a model's name


class AuditQueue(Protocol):
    """Takes audit records without waiting."""

    def enqueue(self, record: AuditRecord) -> None: ...


class AdmissionControl:
    """Admits requests, one permit each, and writes an audit record for every one."""

    def __init__(self, limiter: Limiter, trail: AuditQueue, clock: Clock) -> None:
        self.limiter = limiter
        self._trail = trail
        self._clock = clock

    @asynccontextmanager
    async def admitted(
        self,
        context: RequestContext,
        request_class: RequestClass,
        action: str,
        resource: str = "",
        scope: Scope | None = None,
        model: str | None = None,
    ) -> AsyncIterator[AdmittedRequest]:
        """The admitted request, whose slot is freed and whose record is written at the end.

        `scope` is what the caller's credential must have. The record names the models that the
        request calls; if it calls none, `model`, which it asks for, or else `resource`. Raises
        RateLimited and Forbidden.
        """
        admitted: AdmittedRequest | None = None
        outcome = "ok"
        if model:
            resource = f"model:{model[:MAX_MODEL]}"
        try:
            permit = await self.limiter.admit(
                context.caller.tenant,
                context.plan,
                request_class,
                context.policies,
                context.caller.end_user,
            )
            admitted = context.admitted = AdmittedRequest(
                context.request_id,
                context.caller,
                context.plan,
                context.deadline,
                context.created,
                context.priority,
                context.directives,
                context.timer,
                policies=context.policies,
                tags=context.tags,
                permit=permit,
            )
            if context.timer.admitted_at == 0.0:
                context.timer.admitted_at = self._clock.monotonic()
            if scope is not None and not context.caller.allows(scope):
                raise missing_scope(scope)
            yield admitted
        except Exception as error:
            outcome = to_problem(error).slug
            raise
        except BaseException:
            outcome = "client-gone"
            raise
        finally:
            if admitted is not None:
                admitted.permit.close()
                if admitted.models:
                    resource = ",".join(f"model:{model}" for model in sorted(admitted.models))
            self.record(context.caller, context.request_id, action, resource, outcome)

    def record_refused(self, context: RequestContext, action: str, problem: Problem) -> None:
        """Write the record of a request that was refused before admission."""
        self.record(context.caller, context.request_id, action, "", problem.slug)

    def record(
        self, caller: Caller, request_id: str, action: str, resource: str, outcome: str = "ok"
    ) -> None:
        """Write the audit record of one request."""
        actor = f"{caller.kind}:{caller.key_id}"
        now, tenant = self._clock.wall(), caller.tenant
        self._trail.enqueue(AuditRecord(now, tenant, actor, action, resource, outcome, request_id))
