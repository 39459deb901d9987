"""Limits as they cross stages: what a replica asks an authority for, and what it grants.

A bucket is the state of one limit. Its credits are whole numbers, leased to ingress replicas,
which spend them without a round trip. Three kinds share one exchange:

    rate     refills with `rate` credits a second up to `capacity`       requests, tokens, cost
    budget   starts at `capacity - spent` and never refills              a day's or month's amount
    slots    `capacity` places; what a replica lets go comes back        requests open at once

For rate and budget, a lease that expires unreported counts as spent; for slots it comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts


class BucketKind(StrEnum):
    RATE = "rate"
    BUDGET = "budget"
    SLOTS = "slots"


@version_tolerant
@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A limit as the plan states it now; it travels with every ask, so authorities hold no plans.

    `rate` is credits a second (rate only). `until` is Unix seconds after which a budget's bucket
    is worthless. `spent` is what the ledger knows of a budget (-1: not asked yet); it only counts
    where the authority has not met the bucket before.
    """

    key: str
    kind: BucketKind
    capacity: int
    rate: float = 0.0
    until: float = 0.0
    spent: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """One replica's report and wish for one bucket.

    `number` rises with every ask of this replica for this bucket; `acked` is the number of the
    last ask whose grant arrived (0: none), so that an authority takes back what never arrived and
    ignores what comes late. `holding` is the unspent credits (slots: those open or kept), and
    `adjust` what has come back (+) or was overspent (-) since the grant `acked`; a credit given
    back is no longer part of `holding`. The first request in line takes `need`, all or nothing,
    all that wait take `waiting` >= need together, and `want` >= waiting would be used soon.
    """

    spec: BucketSpec
    number: int
    acked: int
    holding: int = 0
    adjust: int = 0
    need: int = 0
    waiting: int = 0
    want: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """The answer to one Ask: `credits` more (0 or >= need), else a time to try again.

    `level` is what the authority still has after the grant, and `elsewhere` what other replicas
    hold, by their last reports. `retry_after_s` is 0 when something was granted or nothing was
    needed. `known` is False where a budget's bucket has not been opened, so that the replica
    states `spent` from a fresh ledger.
    """

    number: int
    credits: int
    level: int = 0
    retry_after_s: float = 0.0
    known: bool = True
    elsewhere: int = 0


@version_tolerant
@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """Grants in the order of the asks.

    `epoch` changes when the authority lost its state: leases from another epoch are void.
    `replicas` is how many replicas asked within the last few lease times.
    """

    epoch: str
    replicas: int
    grants: tuple[LeaseGrant, ...]


class Authority(Protocol):
    """Owns the buckets. One exchange is one atomic step and one round trip."""

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, asks: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """Take reports, grant leases that end `ttl_s` after this step (slots: three times that).

        The asks are all one tenant's; a key starts with `<tenant>|`. `epoch` is the one this
        replica last saw of the tenant's shard ("" for none). Raises AuthorityDown.
        """
        ...


class AuthorityUnavailable(Exception):
    """The authority did not answer in time, or not at all."""


class Reservation(Protocol):
    """What one model call may take, set aside before it runs."""

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        """Give back what was not used, or record what was used beyond it; once.

        `requests` is 0 for a call that failed before it gave anything.
        """
        ...


class Permit(Protocol):
    """One admitted request: it has spent a request credit and holds a slot until it closes."""

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> Reservation:
        """Raises RateLimited or QuotaExceeded naming the limit, InvalidRequest for an amount
        that could never pass, Overloaded when a hard budget cannot be checked. A lasting
        reservation outlives its permit: whoever asked for it settles it, whatever happens."""
        ...

    def headers(self) -> list[tuple[bytes, bytes]]:
        """RateLimit-Policy, RateLimit and x-ratelimit-*, as of now."""
        ...

    def close(self) -> None:
        """Free the slot; may be called again."""
        ...


class Limiter(Protocol):
    """Decides whether a tenant's request may run now, by the plan it is on."""

    async def admit(self, tenant: str, plan: Plan, request_class: RequestClass) -> Permit:
        """Raises RateLimited naming the limit."""
        ...

    def try_admit(self, tenant: str, plan: Plan, request_class: RequestClass) -> Permit | None:
        """The same where it takes no waiting; None, and nothing is spent, where it does."""
        ...
