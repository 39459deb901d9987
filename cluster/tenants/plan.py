"""Plans: validated limits, budgets and features of tenants.

In: JSON from the admin API or the database. Out: a frozen Plan, or pydantic's ValidationError with
the location of the invalid field.
"""

from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.runtime.numbers import FLOAT32
from cluster.tenants.caller import Priority
from cluster.tenants.price_list import ModelPriceLists, PriceList, most_specific
from cluster.tenants.units import PARTS, CostWeights, Unit

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
OperationName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{0,59}$")]
Whole = Annotated[int, Field(ge=1, le=10**15)]
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_PATTERN = set("*?[")
_RANK = {Priority.INTERACTIVE: 0, Priority.STANDARD: 1, Priority.BATCH: 2}


class Feature(StrEnum):
    """What a plan may enable beside limits.

    `cache-sampled`: responses sampled without a seed may be cached. `semantic-cache`: the cached
    response to a request of the same meaning may be served.
    """

    CACHE_SAMPLED = "cache-sampled"
    SEMANTIC_CACHE = "semantic-cache"


class GatedFeature(StrEnum):
    """What a plan may leave out as a whole (`Plan.allowed_features`)."""

    VIDEO = "video"
    TEXT = "text"
    LIBRARY = "library"
    ANALYTICS = "analytics"
    PROVIDERS = "providers"  # their models
    DOCUMENTS = "documents"
    SEARCH = "search"


class RequestClass(StrEnum):
    """Requests that share a limit: what an operation is, not which route brought it."""

    GENERATE = "generate"
    BATCH = "batch"
    EMBED = "embed"
    MEDIA = "media"
    READ = "read"
    ADMIN = "admin"
    ANALYSE = "analyse"


# Of requests that cost nothing: unlimited where a plan does not name them, and they go on when a
# spend limit is reached.
FREE_CLASSES = frozenset({RequestClass.READ, RequestClass.ADMIN})


class PlanModel(BaseModel):
    """A part of a plan or of a policy: closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(PlanModel):
    """`limit` credits each `per`, of which `burst` may come at once (default: a tenth, >= 1).

    In shadow mode a limit is counted and reported but refuses nothing.
    """

    limit: Whole
    per: Literal["second", "minute", "hour"] = "minute"
    burst: Whole | None = None
    mode: Literal["enforce", "shadow"] = "enforce"

    @model_validator(mode="after")
    def _check_burst(self) -> Self:
        if self.burst is not None and self.burst > self.limit * 3600 // _SECONDS[self.per]:
            raise ValueError("burst: is more than an hour's worth of this limit")
        return self

    @property
    def per_second(self) -> float:
        return self.limit / _SECONDS[self.per]

    @property
    def window_s(self) -> int:
        return _SECONDS[self.per]

    @property
    def capacity(self) -> int:
        """Credits that may come at once."""
        return self.burst if self.burst is not None else max(1, self.limit // 10)


class Rates(PlanModel):
    """Limits of one request class or one model; None: no limit."""

    requests: Rate | None = None
    tokens: Rate | None = None
    cost_units: Rate | None = None


NO_RATES = Rates()


class ConcurrencyLimit(PlanModel):
    """Requests of a tenant that may be open at the same time."""

    limit: Annotated[int, Field(ge=1, le=1_000_000)]
    mode: Literal["enforce", "shadow"] = "enforce"


class Budget(PlanModel):
    """Hard amounts for each calendar day and month (UTC); None: no budget.

    In shadow mode they are counted and reported but refuse nothing.
    """

    day: Whole | None = None
    month: Whole | None = None
    mode: Literal["enforce", "shadow"] = "enforce"

    @model_validator(mode="after")
    def _check_month_budget(self) -> Self:
        if self.day is not None and self.month is not None and self.month < self.day:
            raise ValueError(f"month: {self.month} is less than one day's budget of {self.day}")
        return self


class MediaPlan(PlanModel):
    """What a tenant's recordings and clips may take. `storage_bytes` holds all of them together;
    one video may last `max_video_s` seconds; sources and clips are deleted after so many days.
    Minutes of video are a budget (`video_seconds`).
    """

    storage_bytes: Whole | None = None
    max_video_s: Annotated[int, Field(ge=1, le=86_400)] = 14_400
    source_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False), FLOAT32] = 7.0
    clip_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False), FLOAT32] = 30.0


class SearchPlan(PlanModel):
    """What a tenant's collections may hold: points of all of them together, and bytes of their
    texts, payloads and vectors. None: the defaults of cluster/collections."""

    collections: Annotated[int, Field(ge=1, le=100_000)] | None = None
    points: Whole | None = None
    storage_bytes: Whole | None = None


class LimitTerms(PlanModel):
    """What a plan and a policy limit alike.

    `models` are patterns such as `nano` or `Qwen/*`; None allows every model. The keys of
    `models_rates` are exact ids, without `*`, `?` or `[`.
    """

    rates: dict[RequestClass, Rates] = {}
    models_rates: dict[str, Rates] = {}
    concurrency: ConcurrencyLimit | None = None
    budgets: dict[Unit, Budget] = {}
    models: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _check_models(self) -> Self:
        for model in self.models_rates:
            if _PATTERN & set(model):
                raise ValueError(f"models_rates.{model}: is a pattern; name one model's exact id")
            if not self.allows_model(model):
                raise ValueError(f"models_rates.{model}: 'models' do not include it")
        if self.models is not None and not self.models:
            raise ValueError("models: is empty, so nothing could be used; leave it out for all")
        return self

    @model_validator(mode="after")
    def _check_budget_units(self) -> Self:
        if Unit.CACHE_HITS in self.budgets:
            raise ValueError("budgets.cache_hits: a cache hit uses no budget up")
        if Unit.SPEND in self.budgets:
            raise ValueError("budgets.spend: is no unit of work; keys and teams have `spend`")
        if Unit.ESTIMATED_TOKENS in self.budgets:
            raise ValueError("budgets.estimated_tokens: is a mark; budget tokens")
        for part, whole in PARTS.items():
            if part in self.budgets:
                raise ValueError(f"budgets.{part}: is known after the call only; budget {whole}")
        return self

    @model_validator(mode="after")
    def _check_budgets_exceed_bursts(self) -> Self:
        for name, rates in [*self.rates.items(), *self.models_rates.items()]:
            for unit in (Unit.REQUESTS, Unit.TOKENS, Unit.COST_UNITS):
                rate: Rate | None = getattr(rates, unit.value)
                budget = self.budgets.get(unit)
                day = budget.day if budget else None
                if rate is not None and day is not None and rate.capacity > day:
                    raise ValueError(
                        f"budgets.{unit}.day: {day} is less than the burst of {name}, "
                        f"{rate.capacity}"
                    )
        return self

    def rates_of(self, request_class: RequestClass) -> Rates:
        """The limits of this class."""
        return self.rates.get(request_class, NO_RATES)

    def allows_model(self, model: str) -> bool:
        return self.models is None or any(fnmatchcase(model, pattern) for pattern in self.models)


class Plan(LimitTerms):
    """Everything that a tenant on this plan may use. A class of requests that `rates` do not name
    has those of `generate`, in buckets of its own (`rates_of`).

    `priority` is the most urgent priority that its requests may claim. `prices` are micro-currency
    for 1,000 of a unit, `model_prices` those of some models, by pattern (price_list.py). `weight`
    is the share of a saturated model relative to other tenants. With `reserve` "hard" a request's
    whole `max_tokens` is reserved before it runs, with "soft" a typical answer. `end_user` limits
    each of the tenant's own users by itself. `guardrails` are ids of the configuration, beside the
    operator's own defaults. `allowed_features` None: all of them. `operations_rates`
    limit the requests for single operations, by name, beside those of their classes.
    `batch_price_percent` is what calls of batches cost of the price of others.
    """

    id: Id
    name: Annotated[str, Field(max_length=200)] = ""
    features: frozenset[Feature] = frozenset()
    allowed_features: frozenset[GatedFeature] | None = None
    operations_rates: dict[OperationName, Rate] = {}
    media: MediaPlan = MediaPlan()
    search: SearchPlan = SearchPlan()
    priority: Priority = Priority.INTERACTIVE
    weight: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False), FLOAT32] = 1.0
    reserve: Literal["soft", "hard"] = "soft"
    prices: PriceList = {}
    cost_weights: dict[
        Literal[
            "input_tokens",
            "output_tokens",
            "images",
            "audio_seconds",
            "video_seconds",
            "characters",
            "pages",
        ],
        Annotated[int, Field(ge=0, le=10**9)],
    ] = {}
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    end_user: Rates | None = None
    model_prices: ModelPriceLists = {}
    guardrails: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    batch_price_percent: Annotated[int, Field(ge=0, le=100)] = 100

    def prices_of(self, model: str, provider: str) -> PriceList | None:
        """The prices of a model that this provider serves; None if the plan names none. The same
        object each time.
        """
        known = self._known_prices
        if (model, provider) not in known:
            pattern = most_specific(self.model_prices, model, provider)
            listed = self.prices or None if pattern is None else self.model_prices[pattern]
            known[model, provider] = listed
        return known[model, provider]

    def rates_of(self, request_class: RequestClass) -> Rates:
        """The limits of this class, or those of `generate` where the plan does not name it. Reads
        and administrative changes are not limited then; media, of which one request may be worth
        any number of cost units, are by requests alone.
        """
        named = self.rates.get(request_class)
        if named is not None or request_class in FREE_CLASSES:
            return named or NO_RATES
        generate = self.rates.get(RequestClass.GENERATE, NO_RATES)
        if request_class is RequestClass.MEDIA:
            return Rates(requests=generate.requests)
        return generate

    def allows_feature(self, feature: GatedFeature | None) -> bool:
        """None: a feature that no plan can leave out."""
        allowed = self.allowed_features
        return allowed is None or feature is None or feature in allowed

    def allows_priority(self, priority: Priority) -> bool:
        return _RANK[priority] >= _RANK[self.priority]

    @cached_property
    def default_priorities(self) -> dict[RequestClass, Priority]:
        """The priority of a request that asks for none, by its class."""
        usual = {RequestClass.BATCH: Priority.BATCH}
        return {
            each: priority
            if self.allows_priority(priority := usual.get(each, Priority.STANDARD))
            else self.priority
            for each in RequestClass
        }

    @cached_property
    def _known_prices(self) -> dict[tuple[str, str], PriceList | None]:
        """What `prices_of` has found, by model and provider; models are those of the cluster."""
        return {}

    @cached_property
    def weights(self) -> CostWeights:
        return CostWeights(**self.cost_weights)
