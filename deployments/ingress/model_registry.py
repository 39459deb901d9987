"""The models that this cluster serves, by id.

Flows in: a `ServedModel` per configured id, and a `ServedEmbedder` per embedding model. Flows out:
the one that a request names, and cards for listing. Cards are kept for a moment so that listing
does not cost a hop a model each time.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from cluster.resilience.resilient_call import CallStats
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem, UnknownModel, to_problem
from deployments.contracts.embedding import ServedEmbedder
from deployments.contracts.generation import ModelCard, ModelLoad, ServedModel

CARD_TTL_S = 2.0
CARD_TIMEOUT_S = 2.0


@runtime_checkable
class _Counted(Protocol):
    """A model on the far side of a handle."""

    def figures(self) -> CallStats: ...


class ModelRegistry:
    """Looks models up and says which of them answer."""

    def __init__(
        self,
        served: Mapping[str, ServedModel],
        clock: Clock,
        embedders: Mapping[str, ServedEmbedder] | None = None,
        resilience: Mapping[str, ResilienceSpec] | None = None,
    ) -> None:
        """`resilience` names the fallbacks of models."""
        self._served = dict(served)
        self._embedders = dict(embedders or {})
        self._fallbacks = {id: spec.fallback for id, spec in (resilience or {}).items()}
        self._fell_back: Counter[str] = Counter()
        self._all: dict[str, ServedModel | ServedEmbedder] = {**self._served, **self._embedders}
        self.clock = clock
        self._cards: dict[str, tuple[float, ModelCard]] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the text models."""
        return tuple(self._served)

    @property
    def embedder_ids(self) -> tuple[str, ...]:
        return tuple(self._embedders)

    def embedder(self, model: str) -> ServedEmbedder:
        """Raises UnknownModel, which names the embedding models that there are."""
        try:
            return self._embedders[model]
        except KeyError:
            raise UnknownModel(model, self.embedder_ids) from None

    def get(self, model: str) -> ServedModel:
        """Raises UnknownModel, which names the text models that there are."""
        try:
            return self._served[model]
        except KeyError:
            raise UnknownModel(model, self.ids) from None

    def fallbacks(self, model: str) -> Sequence[str]:
        """The models that may answer in its place, in their order."""
        return self._fallbacks.get(model, ())

    def record_fallback(self, model: str) -> None:
        """Another model has answered in its place."""
        self._fell_back[model] += 1

    def resilience(self) -> dict[str, dict[str, Any]]:
        """How calls have gone from this process, by model: CallFigures, its breaker's included,
        and `fallbacks`, the calls that other models answered.
        """
        return {
            id: {**asdict(served.figures()), "fallbacks": self._fell_back[id]}
            for id, served in self._all.items()
            if isinstance(served, _Counted)
        }

    async def card(self, model: str) -> ModelCard:
        """Raises UnknownModel, or Overloaded when the model does not answer."""
        served = self._all.get(model)
        if served is None:
            raise UnknownModel(model, tuple(self._all))
        kept = self._cards.get(model)
        if kept is not None and self.clock.monotonic() - kept[0] < CARD_TTL_S:
            return kept[1]
        async with asyncio.timeout(CARD_TIMEOUT_S):
            card = await served.card()
        self._cards[model] = (self.clock.monotonic(), card)
        return card

    async def cards(self) -> dict[str, ModelCard | Problem]:
        """A card for each model that answers, and the problem of each that does not."""
        found = await asyncio.gather(*map(self._card_or_problem, self._all))
        return dict(zip(self._all, found, strict=True))

    async def loads(self) -> dict[str, ModelLoad | Problem]:
        """What one replica of each model is doing, or the problem of asking it."""
        found = await asyncio.gather(*map(self._load_or_problem, self._all))
        return dict(zip(self._all, found, strict=True))

    async def _load_or_problem(self, model: str) -> ModelLoad | Problem:
        try:
            async with asyncio.timeout(CARD_TIMEOUT_S):
                return await self._all[model].load()
        except TimeoutError:
            return _silent(model)
        except Exception as error:  # noqa: BLE001 - one bad model must not hide the others
            return to_problem(error)

    async def _card_or_problem(self, model: str) -> ModelCard | Problem:
        try:
            return await self.card(model)
        except TimeoutError:
            return _silent(model)
        except Exception as error:  # noqa: BLE001 - one bad model must not hide the others
            return to_problem(error)


def _silent(model: str) -> Problem:
    return Problem(f"Model '{model}' did not answer within {CARD_TIMEOUT_S:g} s.")
