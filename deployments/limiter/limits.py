"""A plan or a policy as limits: the buckets that a request, and a call of a model, must pass.

In: the terms of a tenant, a team, a key or an end user, a request class, a model, the time. Out:
limits with their names and bucket specs. Knows nothing of the buckets' levels.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cluster.tenants.plan import FREE_CLASSES, Budget, LimitTerms, Plan, Rate, Rates, RequestClass
from cluster.tenants.policy import LimitPolicy, Spend
from cluster.tenants.units import Unit
from cluster.usage.prices import NANO
from deployments.contracts.limits import BucketKind, BucketSpec

_MODEL_UNITS = (Unit.REQUESTS, Unit.TOKENS, Unit.COST_UNITS)
_ENDLESS = 253_402_300_799.0  # Unix seconds: the end of the year 9999
_ALL_DAYS = ("0001-01-01", "9999-12-31")


@dataclass(frozen=True, slots=True)
class LimitSubject:
    """Whom limits are of. `prefix` begins the keys of their buckets, `label` their names. `id` is
    `key:<account>`, `team:<id>` or `user:<digest>`, "" for the tenant itself."""

    prefix: str
    id: str = ""
    label: str = ""


def tenant_subject(tenant: str) -> LimitSubject:
    return LimitSubject(tenant)


def subject_within(tenant: str, id: str) -> LimitSubject:
    """A team, a key or an end user. Its buckets are the tenant's: one authority owns them all, so
    that a request acquires credits of all its subjects in one step."""
    kind = id.partition(":")[0]
    return LimitSubject(f"{tenant}|{id}", id, "end-user:" if kind == "user" else f"{kind}:")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a plan or a policy. `name` is its name for callers; `quota` is allowed each
    `window_s`.

    `first_day` and `last_day` are a budget's period, as in the usage ledger. `subject` is the `id`
    of whose limit it is. A credit is `1 / scale` of the unit that callers see, as `quota` is.
    `quoted` and `policy` are the name and the limit as structured fields (RFC 9651), built once.
    """

    name: str
    unit: Unit
    spec: BucketSpec
    quota: int
    window_s: int = 0
    shadow: bool = False
    first_day: str = ""
    last_day: str = ""
    subject: str = ""
    scale: int = 1
    quoted: bytes = field(init=False, compare=False, repr=False)
    policy: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        plain = "".join(c for c in self.name if " " <= c <= "~" and c not in '"\\')
        unit = ';qu="concurrent-requests"' if self.spec.kind is BucketKind.SLOTS else ""
        window = f";w={self.window_s}" if self.window_s else ""
        object.__setattr__(self, "quoted", f'"{plain}"'.encode())
        object.__setattr__(self, "policy", f'"{plain}";q={self.quota}{unit}{window}'.encode())


def admission_limits(
    subject: LimitSubject, terms: LimitTerms, request_class: RequestClass
) -> list[Limit]:
    """The limits of every request, whatever its size."""
    limits = []
    rate = terms.rates_of(request_class).requests
    if rate is not None:
        limits.append(_rate(subject, str(request_class), str(request_class), Unit.REQUESTS, rate))
    slots = terms.concurrency
    if slots is not None:
        spec = BucketSpec(f"{subject.prefix}|slots", BucketKind.SLOTS, slots.limit)
        name, shadow = f"{subject.label}concurrency", slots.mode == "shadow"
        limits.append(
            Limit(name, Unit.REQUESTS, spec, slots.limit, shadow=shadow, subject=subject.id)
        )
    return limits


def operation_limit(subject: LimitSubject, operation: str, rate: Rate) -> Limit:
    """The limit of requests for one operation."""
    return _rate(subject, f"operation:{operation}", operation, Unit.REQUESTS, rate)


def reservation_limits(
    subject: LimitSubject, terms: LimitTerms, request_class: RequestClass, model: str, wall: float
) -> list[Limit]:
    """The limits of a call of `model`, which its amounts must pass all at once."""
    limits = []
    class_rates = terms.rates_of(request_class)
    for unit in (Unit.TOKENS, Unit.COST_UNITS):
        rate: Rate | None = getattr(class_rates, unit.value)
        if rate is not None:
            limits.append(_rate(subject, str(request_class), str(request_class), unit, rate))
    model_rates = terms.models_rates.get(model, Rates())
    for unit in _MODEL_UNITS:
        rate = getattr(model_rates, unit.value)
        if rate is not None:
            limits.append(_rate(subject, f"model:{model}", model, unit, rate))
    for unit, budget in terms.budgets.items():
        limits.extend(_budgets(subject, unit, budget, wall))
    if isinstance(terms, LimitPolicy) and terms.spend is not None:
        limits.append(_spend(subject, terms.spend, wall))
    return limits


def spend_limits(
    subject: LimitSubject, policy: LimitPolicy, request_class: RequestClass, wall: float
) -> list[Limit]:
    """The limit of what may be spent, for a request that may cost something."""
    if policy.spend is None or request_class in FREE_CLASSES:
        return []
    return [_spend(subject, policy.spend, wall)]


def end_user_admission(subject: LimitSubject, rates: Rates) -> list[Limit]:
    """The limits of every request that names this end user."""
    if rates.requests is None:
        return []
    return [_rate(subject, "rate", "", Unit.REQUESTS, rates.requests)]


def end_user_reservation(subject: LimitSubject, rates: Rates) -> list[Limit]:
    """The limits of every call of a model for this end user."""
    return [
        _rate(subject, "rate", "", unit, rate)
        for unit, rate in ((Unit.TOKENS, rates.tokens), (Unit.COST_UNITS, rates.cost_units))
        if rate is not None
    ]


def all_limits(subject: LimitSubject, terms: LimitTerms, wall: float) -> list[Limit]:
    """All limits that the terms name now, each once: not those of classes that have the rates of
    another one."""
    limits = []
    for request_class in (RequestClass.GENERATE, *terms.rates):
        limits += admission_limits(subject, terms, request_class)
        limits += reservation_limits(subject, terms, request_class, "", wall)
    for model in terms.models_rates:
        limits += reservation_limits(subject, terms, RequestClass.GENERATE, model, wall)
    if isinstance(terms, Plan):
        limits += [operation_limit(subject, *each) for each in terms.operations_rates.items()]
    return list({limit.spec.key: limit for limit in limits}.values())


def next_utc_midnight(wall: float) -> float:
    """Unix seconds of the next midnight in UTC, when budgets change their buckets."""
    day = datetime.fromtimestamp(wall, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()


def _rate(subject: LimitSubject, key: str, name: str, unit: Unit, rate: Rate) -> Limit:
    bucket = f"{subject.prefix}|{key}|{unit}"
    spec = BucketSpec(bucket, BucketKind.RATE, rate.capacity, rate.per_second)
    shadow = rate.mode == "shadow"
    name = f"{subject.label}{name}-{unit}" if name else f"{subject.label}{unit}"
    return Limit(name, unit, spec, rate.limit, rate.window_s, shadow, subject=subject.id)


def _budgets(subject: LimitSubject, unit: Unit, budget: Budget, wall: float) -> list[Limit]:
    day, month = _periods(wall)
    shadow = budget.mode == "shadow"
    return [
        _budget(subject, unit, amount, period, shadow=shadow)
        for amount, period in ((budget.day, day), (budget.month, month))
        if amount is not None
    ]


def _spend(subject: LimitSubject, spend: Spend, wall: float) -> Limit:
    if spend.period != "total":
        day, month = _periods(wall)
        period = day if spend.period == "day" else month
        return _budget(subject, Unit.SPEND, spend.amount, period, scale=NANO)
    ever = _Period("total", "total", _ENDLESS, 0, *_ALL_DAYS)
    return _budget(subject, Unit.SPEND, spend.amount, ever, scale=NANO)


@dataclass(frozen=True, slots=True)
class _Period:
    """A budget's period: `window` is its name in the bucket's key, `until` Unix seconds."""

    name: str
    window: str
    until: float
    window_s: int
    first_day: str
    last_day: str


def _periods(wall: float) -> tuple[_Period, _Period]:
    """Today and this month."""
    today = datetime.fromtimestamp(wall, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    month = today.replace(day=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    return (
        _period("day", "%Y-%m-%d", today, today + timedelta(days=1)),
        _period("month", "%Y-%m", month, next_month),
    )


def _period(name: str, form: str, first: datetime, end: datetime) -> _Period:
    return _Period(
        name,
        first.strftime(form),
        end.timestamp(),
        int((end - first).total_seconds()),
        first.strftime("%Y-%m-%d"),
        (end - timedelta(days=1)).strftime("%Y-%m-%d"),
    )


def _budget(
    subject: LimitSubject,
    unit: Unit,
    amount: int,
    period: _Period,
    *,
    shadow: bool = False,
    scale: int = 1,
) -> Limit:
    spec = BucketSpec(
        f"{subject.prefix}|budget|{unit}|{period.window}",
        BucketKind.BUDGET,
        amount * scale,
        until=period.until,
        spent=-1,
    )
    return Limit(
        f"{subject.label}{unit}-{period.name}",
        unit,
        spec,
        amount,
        period.window_s,
        shadow,
        period.first_day,
        period.last_day,
        subject.id,
        scale,
    )
