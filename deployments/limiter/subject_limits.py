"""The limits of a tenant's teams, keys and end users in this replica.

In: the policies of a caller, an end user, the plan's rates for end users. Out: the buckets that
their requests must pass beside those of the tenant. All are buckets of the tenant, so one request
acquires from all of them or from none. Subjects without state are forgotten.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cluster.runtime.problems import RateLimited
from cluster.tenants.plan import Rates, RequestClass
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from cluster.tenants.units import Unit
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.limits import (
    Limit,
    LimitSubject,
    admission_limits,
    all_limits,
    end_user_admission,
    end_user_reservation,
    next_utc_midnight,
    reservation_limits,
    spend_limits,
    subject_within,
)

MAX_END_USERS = 5_000  # of one tenant with state in one replica; more are refused
_FULL_RETRY_S = 5.0

Debits = tuple[tuple[LeasedBucket, int], ...]  # credits to consume, by bucket
Source = tuple[RequestClass, str]  # the class of a request, and the model it calls or ""
CountedBuckets = tuple[tuple[LeasedBucket, Unit], ...]  # with the unit that each counts


@dataclass(frozen=True, slots=True)
class RequestSubjects:
    """Whose limits a request must fit beside its tenant's. `end_user` is an id, `user:<digest>`,
    or ""."""

    policies: CallerPolicies | None
    end_user: str = ""

    @property
    def of_policies(self) -> tuple[SubjectPolicy, ...]:
        return () if self.policies is None else self.policies.subjects


@dataclass(eq=False, slots=True)
class SubjectLimits:
    """The buckets of one subject, by their keys, and how they are looked up until the day ends."""

    subject: LimitSubject
    terms: LimitPolicy | Rates
    keys: set[str] = field(default_factory=set)
    admission: dict[RequestClass, Debits] = field(default_factory=dict)
    reservation: dict[Source, CountedBuckets] = field(default_factory=dict)

    def forget_lookups(self) -> None:
        self.admission.clear()
        self.reservation.clear()


class TenantSubjects:
    """`buckets` are the tenant's; `bucket` gives one of them, made on first use."""

    def __init__(
        self,
        tenant: str,
        buckets: Mapping[str, LeasedBucket],
        bucket: Callable[[Limit, float], LeasedBucket],
    ) -> None:
        self._tenant = tenant
        self._buckets = buckets
        self._bucket = bucket
        self._policies: dict[str, SubjectLimits] = {}
        self._end_users: dict[str, SubjectLimits] = {}
        self._day_ends = 0.0

    def __len__(self) -> int:
        return len(self._policies) + len(self._end_users)

    def admission(
        self,
        request_class: RequestClass,
        subjects: RequestSubjects,
        end_user: Rates | None,
        now: float,
        wall: float,
    ) -> Debits:
        """One credit of each limit that admits a request; of a spend limit as well, as a sign that
        something is left. Raises RateLimited where too many end users have state here."""
        debits: Debits = ()
        for limits in self._find(subjects, end_user, wall):
            known = limits.admission.get(request_class)
            if known is None:
                found = _admission_limits(limits, request_class, wall)
                known = tuple((self._open(limits, limit, now), 1) for limit in found)
                limits.admission[request_class] = known
            debits += known
        return debits

    def reservation(
        self,
        source: Source,
        subjects: RequestSubjects,
        end_user: Rates | None,
        now: float,
        wall: float,
    ) -> CountedBuckets:
        """The limits of one model call. Raises RateLimited as `admission` does."""
        buckets: CountedBuckets = ()
        for limits in self._find(subjects, end_user, wall):
            known = limits.reservation.get(source)
            if known is None:
                found = _reservation_limits(limits, source, wall)
                known = tuple((self._open(limits, limit, now), limit.unit) for limit in found)
                limits.reservation[source] = known
            buckets += known
        return buckets

    def all_buckets(
        self, policies: CallerPolicies | None, now: float, wall: float
    ) -> list[LeasedBucket]:
        """The buckets of all limits of these policies."""
        return [
            self._open(limits, limit, now)
            for limits in self._find(RequestSubjects(policies), None, wall)
            if isinstance(limits.terms, LimitPolicy)
            for limit in all_limits(limits.subject, limits.terms, wall)
        ]

    def forget_lookups(self) -> None:
        """Limits, or the buckets behind them, have changed."""
        for limits in (*self._policies.values(), *self._end_users.values()):
            limits.forget_lookups()

    def evict_idle(self) -> list[str]:
        """Forget the subjects without state. The keys of their buckets, to be forgotten too."""
        evicted: list[str] = []
        for known in (self._policies, self._end_users):
            for id, limits in list(known.items()):
                if all(self._is_idle(key) for key in limits.keys):
                    evicted += [key for key in limits.keys if key in self._buckets]
                    del known[id]
        return evicted

    def _is_idle(self, key: str) -> bool:
        bucket = self._buckets.get(key)
        return bucket is None or bucket.forgettable

    def _find(
        self, subjects: RequestSubjects, end_user: Rates | None, wall: float
    ) -> Iterable[SubjectLimits]:
        if wall >= self._day_ends:
            self.forget_lookups()
            self._day_ends = next_utc_midnight(wall)
        found = [self._of_policy(each) for each in subjects.of_policies]
        if end_user is not None and subjects.end_user:
            found.append(self._of_end_user(subjects.end_user, end_user))
        return found

    def _of_policy(self, of: SubjectPolicy) -> SubjectLimits:
        limits = self._policies.get(of.subject)
        if limits is None:
            subject = subject_within(self._tenant, of.subject)
            limits = self._policies[of.subject] = SubjectLimits(subject, of.policy)
        elif limits.terms is not of.policy:
            limits.terms = of.policy
            limits.forget_lookups()
        return limits

    def _of_end_user(self, id: str, rates: Rates) -> SubjectLimits:
        limits = self._end_users.get(id)
        if limits is None:
            if len(self._end_users) >= MAX_END_USERS:
                raise RateLimited(
                    f"More than {MAX_END_USERS} end users are active at once.",
                    _FULL_RETRY_S,
                    "end-users",
                )
            subject = subject_within(self._tenant, id)
            limits = self._end_users[id] = SubjectLimits(subject, rates)
        elif limits.terms is not rates:
            limits.terms = rates
            limits.forget_lookups()
        return limits

    def _open(self, limits: SubjectLimits, limit: Limit, now: float) -> LeasedBucket:
        limits.keys.add(limit.spec.key)
        return self._bucket(limit, now)


def _admission_limits(
    limits: SubjectLimits, request_class: RequestClass, wall: float
) -> list[Limit]:
    subject, terms = limits.subject, limits.terms
    if isinstance(terms, Rates):
        return end_user_admission(subject, terms)
    found = admission_limits(subject, terms, request_class)
    return found + spend_limits(subject, terms, request_class, wall)


def _reservation_limits(limits: SubjectLimits, source: Source, wall: float) -> list[Limit]:
    subject, terms = limits.subject, limits.terms
    if isinstance(terms, Rates):
        return end_user_reservation(subject, terms)
    return reservation_limits(subject, terms, *source, wall)
