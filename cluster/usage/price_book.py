"""What models cost the operator and tenants, and who serves them: for the ledger and for limits.

Flows in: the configuration, by model id. Flows out: the prices that a plan charges for a model. An
id may also be the prefix of models that a provider lists: `openai` of `openai/gpt-4o`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cluster.tenants.plan import Plan
from cluster.tenants.price_list import LOCAL
from cluster.tenants.units import UsageAmounts
from cluster.usage.cells import counts_of
from cluster.usage.prices import NO_PRICES, Prices, by_unit, charged, dearest

MAX_KNOWN = 10_000  # models


class ModelTerms(NamedTuple):
    """`costs` are the operator's, `prices` those of tenants whose plans name none for the model;
    both are the same objects each time.
    """

    costs: Prices
    prices: Prices
    provider: str


class PriceBook:
    """`known` has the terms of models that were asked for; use `terms_of` for others."""

    def __init__(
        self,
        costs: Mapping[str, Prices] | None = None,
        prices: Mapping[str, Prices] | None = None,
        providers: Mapping[str, str] | None = None,
    ) -> None:
        """All by model id. A model without a provider is served by the cluster itself."""
        self.known: dict[str, ModelTerms] = {}
        self._costs, self._prices, self._providers = costs or {}, prices or {}, providers or {}
        self._ids = {*self._costs, *self._prices, *self._providers}

    def terms_of(self, model: str) -> ModelTerms:
        """The terms of a model, or of the longest id that is its prefix."""
        terms = self.known.get(model)
        if terms is None:
            id = model
            if model not in self._ids:
                prefixes = [each for each in self._ids if model.startswith(f"{each}/")]
                id = max(prefixes, key=len, default=model)
            costs, prices = self._costs.get(id, NO_PRICES), self._prices.get(id, NO_PRICES)
            terms = ModelTerms(costs, prices, self._providers.get(id, LOCAL))
            if len(self.known) >= MAX_KNOWN:
                self.known.clear()
            self.known[model] = terms
        return terms

    def provider_of(self, model: str) -> str:
        return self.terms_of(model).provider

    def prices_of(self, plan: Plan, model: str) -> Prices:
        """The one list that applies: of the plan, or of the model."""
        terms = self.terms_of(model)
        listed = plan.prices_of(model, terms.provider)
        return terms.prices if listed is None else listed

    def charge_of(
        self, plan: Plan, model: str, amounts: UsageAmounts, requests: int = 1, cache_hits: int = 0
    ) -> int:
        """Nano-currency that the ledger records as revenue for this work."""
        prices = self.prices_of(plan, model)
        if not prices:
            return 0
        counts = charged(counts_of(amounts, requests, plan.weights.cost(amounts), cache_hits))
        return sum(count * price for count, price in zip(counts, by_unit(prices), strict=False))

    def most_of(self, plan: Plan, model: str, amounts: UsageAmounts) -> int:
        """Nano-currency that one call of these amounts costs at most, if all that may have a dearer
        part (cached, reasoning) turns out to be of it."""
        prices = self.prices_of(plan, model)
        if not prices:
            return 0
        of_units = by_unit(prices)
        counts = charged(dearest(counts_of(amounts, 1, plan.weights.cost(amounts), 0), of_units))
        return sum(count * price for count, price in zip(counts, of_units, strict=False))
