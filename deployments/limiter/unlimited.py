"""The limiter that limits nothing: for a cluster of one's own, and to measure what limits cost."""

from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.units import UsageAmounts


class NullLimiter:
    """A Limiter, a Permit and a Reservation at once; it holds no state."""

    async def admit(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        policies: CallerPolicies | None = None,
        end_user: str = "",
        operation: str = "",
    ) -> "NullLimiter":
        return self

    def try_admit(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        policies: CallerPolicies | None = None,
        end_user: str = "",
    ) -> "NullLimiter":
        return self

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> "NullLimiter":
        return self

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        pass

    def charge_cache_hit(self, model: str) -> None:
        pass

    def headers(self) -> list[tuple[bytes, bytes]]:
        return []

    def close(self) -> None:
        pass
