"""Limits as they cross stages: a replica's lease requests, and an authority's grants.

A bucket is the state of one limit. Its credits are whole numbers, leased to ingress replicas,
which consume them without a round trip. Three kinds share one exchange:

    rate     refills with `rate` credits a second up to `capacity`       requests, tokens, cost
    budget   starts at `capacity - spent` and never refills              a day's or month's amount
    slots    `capacity` slots; a released slot is free again             requests open at once

Leases of one replica hold as long as its session with the authority: `SESSION` lease times after
its last exchange. A rate's lease that ends unreported counts as consumed; slots are free then. A
budget does not refill: its replica returns the rest of an ended lease with its next report, and
only a replica that stays silent for a minute has consumed all that it held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.units import UsageAmounts

SESSION = 3  # lease times for which a replica's leases outlive its last exchange


class BucketKind(StrEnum):
    RATE = "rate"
    BUDGET = "budget"
    SLOTS = "slots"


@version_tolerant
@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A limit as the plan states it now; every request carries it, so authorities hold no plans.

    `rate` is credits a second (rate only). `until` is Unix seconds at which a budget's bucket
    expires. `spent` is a budget's use by the ledger (-1: not read yet); it only counts where the
    authority has not opened the bucket yet.
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
    """One replica's report and request for one bucket.

    `number` rises with every request of this replica for this bucket; `acked` is the number of the
    last one whose grant arrived (0: none), so that an authority takes back what never arrived and
    ignores what comes late. `holding` is the unconsumed credits (slots: those open or free), and
    `adjust` what was returned (+) or overdrawn (-) since the grant `acked`; a returned credit is no
    longer part of `holding`. The first pending request takes `need`, all or nothing, all pending
    ones take `waiting` >= need together, and `want` >= waiting would be used soon.
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
    """The response to one LeaseRequest: `credits` more (0 or >= need), else a time to try again.

    `level` is what the authority still has after the grant, and `elsewhere` what other replicas
    hold, by their last reports. `retry_after_s` is 0 when something was granted or nothing was
    needed. `known` is False where a budget's bucket has not been opened, so that the replica
    states `spent` from a fresh ledger. `learning_s` is for how long the authority does not know yet
    what was leased before it lost its state, and so grants no slots and no budget.
    """

    number: int
    credits: int
    level: int = 0
    retry_after_s: float = 0.0
    known: bool = True
    elsewhere: int = 0
    learning_s: float = 0.0


@version_tolerant
@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """Grants in the order of the requests.

    `epoch` changes when the authority lost its state: leases from another epoch are void.
    `replicas` is how many replicas sent requests within the last few lease times. `continued`:
    the replica's session had not ended before; where it had, leases from before this are void.
    """

    epoch: str
    replicas: int
    grants: tuple[LeaseGrant, ...]
    continued: bool = True


class Authority(Protocol):
    """Owns the buckets of some tenants: of all, or of one shard."""

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """Apply reports, grant credits, and renew the session of `replica`; one round trip.

        `requests` are those of any tenants of this shard, one tenant's next to each other and one
        atomic step; without any, the session is renewed. A key starts with `<tenant>|`. `ttl_s` is
        the lease time. `epoch` is the one this replica last saw here ("" for none).

        Raises AuthorityUnavailable, or TenantsMoved where other shards own the tenants now.
        """
        ...


@runtime_checkable
class AuthorityShards(Protocol):
    """Several authorities, each of which owns some of the tenants."""

    def locate(self, tenant: str) -> Authority:
        """The owner of the tenant's buckets, as far as is known now."""
        ...


class AuthorityUnavailable(Exception):
    """The authority did not answer in time, or not at all."""


class TenantsMoved(Exception):
    """Nothing was applied: tenants have other owners now, which `AuthorityShards.locate` tells."""


class Reservation(Protocol):
    """Amounts of one model call, reserved before it runs."""

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        """Refund what was not used, or record what was used beyond it; once.

        `requests` is 0 for a call that failed before its first output.
        """
        ...


class Permit(Protocol):
    """One admitted request: it has consumed a request credit and holds a slot until it closes."""

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> Reservation:
        """Raises RateLimited or QuotaExceeded naming the limit, InvalidRequest for an amount
        that could never pass, Overloaded when a hard budget cannot be checked. A lasting
        reservation outlives its permit: its caller settles it in every case."""
        ...

    def charge_cache_hit(self, model: str) -> None:
        """Count the price of a request for `model` that the cache has answered as spent by its
        subjects."""
        ...

    def headers(self) -> list[tuple[bytes, bytes]]:
        """RateLimit-Policy, RateLimit and x-ratelimit-*, as of now."""
        ...

    def close(self) -> None:
        """Free the slot; may be called again."""
        ...


class Limiter(Protocol):
    """Decides whether a tenant's request may run now, by the plan it is on."""

    async def admit(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        policies: CallerPolicies | None = None,
        end_user: str = "",
        operation: str = "",
    ) -> Permit:
        """`policies` are those of the caller's key, `end_user` is the tenant's own user ("": not
        named), `operation` what is asked for: the request must fit the limits of all. Raises
        RateLimited naming the limit."""
        ...

    def try_admit(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        policies: CallerPolicies | None = None,
        end_user: str = "",
    ) -> Permit | None:
        """The same without waiting, for an operation without a limit of its own; None, and nothing
        is consumed, where it would wait."""
        ...
