"""The limiter that limits nothing: for a cluster of one's own, and to measure what limits cost."""

from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import Amounts


class Unlimited:
    """A Limiter, a Permit and a Reservation at once; it holds no state."""

    async def admit(self, tenant: str, plan: Plan, request_class: RequestClass) -> "Unlimited":
        return self

    def admit_now(self, tenant: str, plan: Plan, request_class: RequestClass) -> "Unlimited":
        return self

    async def reserve(self, model: str, amounts: Amounts, *, lasting: bool = False) -> "Unlimited":
        return self

    def settle(self, actual: Amounts, *, requests: int = 1) -> None:
        pass

    def headers(self) -> list[tuple[bytes, bytes]]:
        return []

    def close(self) -> None:
        pass
