"""A plan as limits: the buckets that a request of a class, and a call of a model, must pass.

In: a plan, a request class, a model, the time. Out: limits with their names and bucket specs.
Knows nothing of the buckets' levels.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cluster.tenants.plan import Budget, Plan, Rate, Rates, RequestClass
from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind, BucketSpec

_MODEL_UNITS = (Unit.REQUESTS, Unit.TOKENS, Unit.COST_UNITS)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a plan. `name` is its name for callers; `quota` is allowed each `window_s`.

    `first_day` and `last_day` are a budget's period, as in the usage ledger. `quoted` and `policy`
    are the name and the limit as structured fields (RFC 9651), built once.
    """

    name: str
    unit: Unit
    spec: BucketSpec
    quota: int
    window_s: int = 0
    shadow: bool = False
    first_day: str = ""
    last_day: str = ""
    quoted: bytes = field(init=False, compare=False, repr=False)
    policy: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        plain = "".join(c for c in self.name if " " <= c <= "~" and c not in '"\\')
        unit = ';qu="concurrent-requests"' if self.spec.kind is BucketKind.SLOTS else ""
        window = f";w={self.window_s}" if self.window_s else ""
        object.__setattr__(self, "quoted", f'"{plain}"'.encode())
        object.__setattr__(self, "policy", f'"{plain}";q={self.quota}{unit}{window}'.encode())


def admission_limits(tenant: str, plan: Plan, request_class: RequestClass) -> list[Limit]:
    """The limits of every request, whatever its size."""
    limits = []
    rate = plan.rates.get(request_class, Rates()).requests
    if rate is not None:
        key, name = f"{tenant}|{request_class}", str(request_class)
        limits.append(_rate(key, name, Unit.REQUESTS, rate))
    slots = plan.concurrency
    if slots is not None:
        spec = BucketSpec(f"{tenant}|slots", BucketKind.SLOTS, slots.limit)
        shadow = slots.mode == "shadow"
        limits.append(Limit("concurrency", Unit.REQUESTS, spec, slots.limit, shadow=shadow))
    return limits


def reservation_limits(
    tenant: str, plan: Plan, request_class: RequestClass, model: str, wall: float
) -> list[Limit]:
    """The limits of a call of `model`, which its amounts must pass all at once."""
    limits = []
    class_rates = plan.rates.get(request_class, Rates())
    for unit in (Unit.TOKENS, Unit.COST_UNITS):
        rate: Rate | None = getattr(class_rates, unit.value)
        if rate is not None:
            limits.append(_rate(f"{tenant}|{request_class}", str(request_class), unit, rate))
    model_rates = plan.models_rates.get(model, Rates())
    for unit in _MODEL_UNITS:
        rate = getattr(model_rates, unit.value)
        if rate is not None:
            limits.append(_rate(f"{tenant}|model:{model}", model, unit, rate))
    for unit, budget in plan.budgets.items():
        limits.extend(_budgets(tenant, unit, budget, wall))
    return limits


def all_limits(tenant: str, plan: Plan, wall: float) -> list[Limit]:
    """All limits that the plan sets now, each once."""
    limits = []
    for request_class in RequestClass:
        limits += admission_limits(tenant, plan, request_class)
        limits += reservation_limits(tenant, plan, request_class, "", wall)
    for model in plan.models_rates:
        limits += reservation_limits(tenant, plan, RequestClass.GENERATE, model, wall)
    return list({limit.spec.key: limit for limit in limits}.values())


def next_utc_midnight(wall: float) -> float:
    """Unix seconds of the next midnight in UTC, when budgets change their buckets."""
    day = datetime.fromtimestamp(wall, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()


def _rate(key: str, name: str, unit: Unit, rate: Rate) -> Limit:
    spec = BucketSpec(f"{key}|{unit}", BucketKind.RATE, rate.capacity, rate.per_second)
    shadow = rate.mode == "shadow"
    return Limit(f"{name}-{unit}", unit, spec, rate.limit, rate.window_s, shadow)


def _budgets(tenant: str, unit: Unit, budget: Budget, wall: float) -> list[Limit]:
    today = datetime.fromtimestamp(wall, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    month = today.replace(day=1)
    tomorrow = today + timedelta(days=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    periods = ((budget.day, "day", today, tomorrow), (budget.month, "month", month, next_month))
    return [
        _budget(tenant, unit, amount, period, first, end, shadow=budget.mode == "shadow")
        for amount, period, first, end in periods
        if amount is not None
    ]


def _budget(
    tenant: str,
    unit: Unit,
    amount: int,
    period: str,
    first: datetime,
    end: datetime,
    *,
    shadow: bool,
) -> Limit:
    label = first.strftime("%Y-%m-%d" if period == "day" else "%Y-%m")
    spec = BucketSpec(
        f"{tenant}|budget|{unit}|{label}",
        BucketKind.BUDGET,
        amount,
        until=end.timestamp(),
        spent=-1,
    )
    last = (end - timedelta(days=1)).strftime("%Y-%m-%d")
    window = int((end - first).total_seconds())
    first_day = first.strftime("%Y-%m-%d")
    return Limit(f"{unit}-{period}", unit, spec, amount, window, shadow, first_day, last)
