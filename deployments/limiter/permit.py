"""An admitted request of the tenant limiter, and what it has reserved for its model calls.

In: credits that the limiter has consumed. Out: what was used, owed or refunded in each limit.
"""

from typing import TYPE_CHECKING

from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import Unit, UsageAmounts, amount_of
from cluster.usage.price_book import PriceBook
from deployments.contracts.limits import BucketKind
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.status import Headers, rate_limit_headers
from deployments.limiter.subject_limits import CountedBuckets, Debits, RequestSubjects
from deployments.limiter.tenant_limits import TenantLimits

if TYPE_CHECKING:
    from deployments.limiter.tenant_limiter import TenantLimiter


class LimiterReservation:
    """Amounts reserved for one model call, until `settle` states what it used."""

    __slots__ = ("_debits", "_limiter", "_limits", "_model", "_plan", "_resets", "_settled")

    def __init__(
        self,
        limiter: "TenantLimiter | None",
        limits: TenantLimits | None,
        plan: Plan | None,
        debits: Debits,
        model: str = "",
    ) -> None:
        """`plan` is that of the request, by which the ledger charges the model as well."""
        self._limiter = limiter
        self._limits = limits
        self._plan = plan
        self._model = model
        self._debits = debits
        self._resets = [bucket.resets for bucket, _ in debits]
        self._settled = limits is None

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        """Refund what was not used, owe what was used beyond; only the first call counts."""
        limits, limiter, plan = self._limits, self._limiter, self._plan
        if self._settled or limits is None or limiter is None or plan is None:
            return
        self._settled = True
        weights, is_unreported = plan.weights, False
        by_unit: dict[Unit, int] = {}
        for (bucket, reserved), resets in zip(self._debits, self._resets, strict=True):
            unit = bucket.limit.unit
            used = by_unit.get(unit)
            if used is None:
                used = by_unit[unit] = (
                    limiter.book.charge_of(plan, self._model, actual, requests)
                    if unit is Unit.SPEND
                    else amount_of(unit, actual, weights, requests)
                )
            bucket.release(reserved, used, resets)
            if bucket.adjust:
                is_unreported = True
        if is_unreported:
            limiter.report(limits)

    def settle_at_reserved(self) -> None:
        """Settle at the reserved amounts, where the actual ones are unknown."""
        if not self._settled:
            self._settled = True
            for (bucket, reserved), resets in zip(self._debits, self._resets, strict=True):
                bucket.release(reserved, reserved, resets)


_NOTHING_RESERVED = LimiterReservation(None, None, None, ())  # no limits on model calls


class LimiterPermit:
    """An admitted request. Holds a slot until it is closed."""

    __slots__ = (
        "_buckets",
        "_class",
        "_debits",
        "_limiter",
        "_limits",
        "_open",
        "_plan",
        "_reservations",
        "_subjects",
    )

    def __init__(
        self,
        limiter: "TenantLimiter",
        limits: TenantLimits,
        plan: Plan,
        request_class: RequestClass,
        debits: Debits,
        subjects: RequestSubjects | None = None,
    ) -> None:
        """`plan` is that of the request, by which the ledger counts it; the limits are those of the
        tenant's plan as it is now. `subjects`: whose limits apply beside the tenant's."""
        self._limiter = limiter
        self._limits = limits
        self._plan = plan
        self._subjects = subjects
        self._class = request_class
        self._debits = debits
        self._buckets: list[LeasedBucket] = [bucket for bucket, _ in debits]
        self._reservations: list[LimiterReservation] = []
        self._open = True
        limits.permits += 1

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> LimiterReservation:
        """Reserve `amounts` of one call of `model` in every limit that applies, all or nothing.
        A lasting reservation is not ended by `close`, and may be made after it: work that was begun
        for a request that has left goes on for others.

        Raises RateLimited, QuotaExceeded, InvalidRequest (more than could ever pass) or Overloaded
        (a budget that cannot be checked now); each names the limit.
        """
        limiter = self._limiter
        if not self._open:  # without an open permit the tenant may have been forgotten
            self._limits = limiter.restore(self._limits)
        limits, clock = self._limits, limiter.clock
        now, plan = clock.monotonic(), self._plan
        if self._subjects is None:
            buckets = limits.reservation(self._class, model, now, clock.wall())
        else:
            subjects, wall = self._subjects, clock.wall()
            buckets = limits.reservation_with(subjects, self._class, model, now, wall)
        if not buckets:
            return _NOTHING_RESERVED
        debits = _debits(buckets, amounts, plan, model, limiter.book)
        known = self._buckets
        known += [bucket for bucket, _ in buckets if bucket not in known]
        if debits:
            debits = await limiter.acquire(limits, debits, (self._class, model), now)
        reservation = LimiterReservation(limiter, limits, plan, debits, model)
        if not lasting:
            self._reservations.append(reservation)
        return reservation

    def charge_cache_hit(self, model: str) -> None:
        """Count as spent what the plan charges for a request for `model` that the cache has
        answered."""
        limiter, subjects = self._limiter, self._subjects
        if subjects is None:
            return
        charge = limiter.book.charge_of(self._plan, model, UsageAmounts(), requests=0, cache_hits=1)
        if not charge:
            return
        if not self._open:
            self._limits = limiter.restore(self._limits)
        now, wall = limiter.clock.monotonic(), limiter.clock.wall()
        for bucket, unit in self._limits.reservation_with(subjects, self._class, "", now, wall):
            if unit is Unit.SPEND:
                bucket.charge(charge)
        limiter.report(self._limits)

    def headers(self) -> Headers:
        """The limits that applied so far, as of now."""
        if not self._buckets:
            return []
        clock = self._limiter.clock
        return rate_limit_headers(self._buckets, clock.monotonic(), clock.wall())

    def close(self) -> None:
        """Free the slot; reservations that are not settled count as used. May be repeated."""
        if not self._open:
            return
        self._open = False
        self._limits.permits -= 1
        for reservation in self._reservations:
            reservation.settle_at_reserved()
        for bucket, amount in self._debits:
            used = 0 if bucket.kind is BucketKind.SLOTS else amount
            bucket.release(amount, used, bucket.resets)
        if self._limits.is_full:
            self._limiter.report(self._limits)


def _debits(
    buckets: CountedBuckets, amounts: UsageAmounts, plan: Plan, model: str, book: PriceBook
) -> Debits:
    """The most that one call of `model` may use of each limit, where it is something."""
    by_unit: dict[Unit, int] = {}  # several limits count the same
    debits = []
    for bucket, unit in buckets:
        amount = by_unit.get(unit)
        if amount is None:
            amount = by_unit[unit] = (
                book.most_of(plan, model, amounts)
                if unit is Unit.SPEND
                else amount_of(unit, amounts, plan.weights, requests=1)
            )
        if amount:
            debits.append((bucket, amount))
    return tuple(debits)
