"""What every operation is told about the call it serves, whatever brought it in."""

from dataclasses import dataclass

from cluster.runtime.clock import Deadline
from cluster.runtime.problems import DeadlineExceeded, Forbidden
from cluster.tenants.caller import Caller, Priority, Scope
from deployments.contracts.cache import NO_DIRECTIVES, Directives


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One authenticated call, by HTTP or by handle.

    `created` is Unix seconds; `deadline` is on this process's clock; `directives` are its wishes of
    the cache.
    """

    request_id: str
    caller: Caller
    deadline: Deadline
    created: int
    priority: Priority = Priority.STANDARD
    directives: Directives = NO_DIRECTIVES

    def require(self, scope: Scope) -> None:
        """Raises Forbidden unless the caller's key carries `scope`."""
        if not self.caller.allows(scope):
            raise Forbidden(f"This key lacks the scope '{scope}'.", required_scope=str(scope))

    def timeout_s(self, stage: str) -> float:
        """Seconds left for `stage`; raises DeadlineExceeded when there are none."""
        left = self.deadline.remaining()
        if left <= 0:
            raise DeadlineExceeded(stage)
        return left
