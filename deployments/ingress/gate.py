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
from cluster.clock import Clock
from cluster.problems import Problem, to_problem
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan, RequestClass
from deployments.contracts.limits import Limiter, Permit
from deployments.ingress.call import Call

PlanOf = Callable[[str], Plan]


class Trail(Protocol):
    """Takes audit lines without waiting."""

    def note(self, record: AuditRecord) -> None: ...


class Entrance:
    """A call that was let in: its permit, and the models that it has come to."""

    __slots__ = ("models", "permit")

    def __init__(self, permit: Permit) -> None:
        self.permit = permit
        self.models: set[str] = set()


current_entrance: ContextVar[Entrance | None] = ContextVar("current_entrance", default=None)


class Gate:
    """Lets calls in, one permit each."""

    def __init__(self, limiter: Limiter, plan_of: PlanOf, trail: Trail, clock: Clock) -> None:
        """`plan_of` gives the plan that a tenant is on now."""
        self._limiter = limiter
        self._plan_of = plan_of
        self._trail = trail
        self._clock = clock

    @asynccontextmanager
    async def admitted(
        self, call: Call, request_class: RequestClass, action: str, resource: str
    ) -> AsyncIterator[Permit]:
        """A slot for the body; whatever way it ends, the slot is freed and the line written.

        `resource` is what the line names unless the call comes to models.
        """
        entrance: Entrance | None = None
        outcome = "ok"
        try:
            plan = self._plan_of(call.caller.tenant)
            permit = await self._limiter.admit(call.caller.tenant, plan, request_class)
            entrance = Entrance(permit)
            current_entrance.set(entrance)
            yield permit
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
            self._trail.note(self._record(call, action, resource, outcome))

    def refused(self, call: Call, action: str, problem: Problem) -> None:
        """Write the line of a call that did not get as far as the gate."""
        self._trail.note(self._record(call, action, "", problem.slug))

    def _record(self, call: Call, action: str, resource: str, outcome: str) -> AuditRecord:
        caller = call.caller
        at = self._clock.wall()
        return AuditRecord(
            at, caller.tenant, actor(caller), action, resource, outcome, call.request_id
        )


def actor(caller: Caller) -> str:
    """The caller as audit lines name it."""
    return f"{caller.kind}:{caller.key_id}"
