"""An admitted request: what it has taken, and how it gives back.

In: a model and its amounts before, the actual amounts after. Out: reservations, headers.
"""

from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts, amount_of
from deployments.contracts.limits import BucketKind
from deployments.limiter.headers import Headers, rate_limit_headers
from deployments.limiter.lease_client import LeaseClient
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_state import Parts, TenantLimits


class LimiterReservation:
    """Amounts set aside for one model call, until `settle` says what it really took."""

    __slots__ = ("_parts", "_permit", "_voids", "settled")

    def __init__(self, permit: "LimiterPermit", parts: Parts) -> None:
        self._permit = permit
        self._parts = parts
        self._voids = tuple(purse.voids for purse, _ in parts)
        self.settled = False

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        """Refund what was not used, owe what was used beyond; only the first call counts."""
        if self.settled:
            return
        self.settled = True
        weights = self._permit.account.plan.weights
        for (purse, reserved), voids in zip(self._parts, self._voids, strict=True):
            used = amount_of(purse.limit.unit, actual, weights, requests)
            purse.release(reserved, used, voids)

    def settle_at_reserved(self) -> None:
        """Settle at what was reserved, when nobody knows better."""
        if not self.settled:
            self.settled = True
            for (purse, reserved), voids in zip(self._parts, self._voids, strict=True):
                purse.release(reserved, reserved, voids)


class LimiterPermit:
    """Holds a slot until it is closed."""

    __slots__ = ("_class", "_open", "_parts", "_purses", "_reservations", "_rounds", "account")

    def __init__(
        self, rounds: LeaseClient, account: TenantLimits, request_class: RequestClass, parts: Parts
    ) -> None:
        self.account = account
        self._rounds = rounds
        self._class = request_class
        self._parts = parts
        self._purses: list[LeasedBucket] = [purse for purse, _ in parts]
        self._reservations: list[LimiterReservation] = []
        self._open = True
        account.permits += 1

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> LimiterReservation:
        """Set `amounts` of one call of `model` aside in every limit it passes, all or nothing.
        A lasting reservation is not ended by `close`, and may be made after it: what was begun for
        a request that has left goes on for others.

        Raises RateLimited, QuotaExceeded, InvalidRequest (more than ever passes) or Overloaded
        (a budget that cannot be checked now); each names the limit.
        """
        rounds = self._rounds
        # Without an open request the tenant may have been forgotten, or have come back, since.
        account = self.account = rounds.accounts.setdefault(self.account.tenant, self.account)
        now = rounds.clock.monotonic()
        found = account.reservation(self._class, model, now, rounds.clock.wall())
        if not found:
            return LimiterReservation(self, ())
        weights = account.plan.weights
        wanted = tuple(
            (purse, amount)
            for purse, unit in found
            if (amount := amount_of(unit, amounts, weights, requests=1))
        )
        self._purses.extend(p for p, _ in found if p not in self._purses)
        parts = await rounds.acquire(account, wanted, (self._class, model), now)
        reservation = LimiterReservation(self, parts)
        if not lasting:
            self._reservations.append(reservation)
        return reservation

    def headers(self) -> Headers:
        """The limits met so far, as of now."""
        clock = self._rounds.clock
        return rate_limit_headers(self._purses, clock.monotonic(), clock.wall())

    def close(self) -> None:
        """Free the slot; reservations that nobody settled count as used. May be repeated."""
        if not self._open:
            return
        self._open = False
        self.account.permits -= 1
        for reservation in self._reservations:
            reservation.settle_at_reserved()
        for purse, amount in self._parts:
            used = 0 if purse.kind is BucketKind.SLOTS else amount
            purse.release(amount, used, purse.voids)
