"""The models that this cluster serves, by id.

Flows in: a `ServedModel` per configured text model, a `ServedEmbedder` per embedding model, a
`ServedClassifier` per cross-encoder or moderation model.
Flows out: the model that a request names, and cards for listing. Cards are kept for two seconds, so
that a list does not cost a hop for each model every time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from cluster.resilience.resilient_call import CallStats
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NoTokenizer, Problem, UnknownModel, to_problem
from deployments.clients.link.pool import LinkStats
from deployments.contracts.classification import ServedClassifier
from deployments.contracts.embedding import ServedEmbedder
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.contracts.text_generator import ServedModel
from deployments.contracts.tokenization import TokenizingModel
from deployments.ingress.names.model_names import ModelNames

CARD_TTL_S = 2.0
CARD_TIMEOUT_S = 2.0


@runtime_checkable
class _MeasuredModel(Protocol):
    """A model in another process, whose calls are counted."""

    def figures(self) -> CallStats: ...


@runtime_checkable
class _ExternalModel(Protocol):
    """A model that a provider serves (deployments/providers)."""

    @property
    def is_external(self) -> bool: ...


@runtime_checkable
class _LinkedModel(Protocol):
    """A model whose replicas are called over links where these can be opened."""

    def link_stats(self) -> LinkStats | None: ...


class ModelRegistry:
    """Looks models up and says which of them answer.

    `text_models` are by id; `fallbacks` names the models that may answer in place of one, in their
    order. `names` leads what is no model's id to one;
    `configured` are the ids that mean their models whatever the names are.
    """

    def __init__(
        self,
        text_models: Mapping[str, ServedModel],
        clock: Clock,
        embedders: Mapping[str, ServedEmbedder] | None = None,
        resilience: Mapping[str, ResilienceSpec] | None = None,
        classifiers: Mapping[str, ServedClassifier] | None = None,
        rerankers: Collection[str] = (),
        names: ModelNames | None = None,
    ) -> None:
        """`resilience` names the fallbacks of models; `rerankers` are the classifiers that rank,
        the others judge. `names` are those that are no models' ids."""
        self.text_models = dict(text_models)
        self.fallbacks: dict[str, Sequence[str]] = {
            id: spec.fallback for id, spec in (resilience or {}).items()
        }
        self.clock = clock
        self.names = names or ModelNames()
        self._embedders = dict(embedders or {})
        self._classifiers = dict(classifiers or {})
        self._rerankers = frozenset(rerankers)
        self._models: dict[str, ServedModel | ServedEmbedder | ServedClassifier] = {
            **self.text_models,
            **self._embedders,
            **self._classifiers,
        }
        self.configured = frozenset(self._models)
        self._fallback_counts: Counter[str] = Counter()
        self._cards: dict[str, tuple[float, ModelCard]] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the text models."""
        return tuple(self.text_models)

    @property
    def all_ids(self) -> tuple[str, ...]:
        """The ids of the models of every kind."""
        return tuple(self._models)

    @property
    def embedder_ids(self) -> tuple[str, ...]:
        return tuple(self._embedders)

    def add_text_model(self, model: str, served: ServedModel) -> None:
        """Raises ValueError for an id that another model has."""
        if model in self._models:
            raise ValueError(f"there is a model '{model}'")
        self.text_models[model] = self._models[model] = served

    def remove_text_model(self, model: str) -> None:
        """Calls under way go on."""
        del self.text_models[model], self._models[model]
        self._cards.pop(model, None)

    def is_external(self, model: str) -> bool:
        """Whether a provider serves it: its failures are not this cluster's."""
        return isinstance(self._models.get(model), _ExternalModel)

    def known_card(self, model: str) -> ModelCard | None:
        """The last one that it gave, however old."""
        cached = self._cards.get(model)
        return None if cached is None else cached[1]

    def embedder(self, model: str) -> ServedEmbedder:
        """Raises UnknownModel, which names the embedding models."""
        try:
            return self._embedders[model]
        except KeyError:
            raise UnknownModel(model, self.embedder_ids) from None

    @property
    def reranker_ids(self) -> tuple[str, ...]:
        return tuple(id for id in self._classifiers if id in self._rerankers)

    @property
    def moderator_ids(self) -> tuple[str, ...]:
        return tuple(id for id in self._classifiers if id not in self._rerankers)

    def classifier(self, model: str) -> ServedClassifier:
        """Raises UnknownModel, which names the classifiers."""
        try:
            return self._classifiers[model]
        except KeyError:
            raise UnknownModel(model, tuple(self._classifiers)) from None

    @property
    def tokenizing_ids(self) -> tuple[str, ...]:
        return *self.text_models, *self._embedders

    def tokenizing(self, model: str, allows: Callable[[str], bool]) -> TokenizingModel:
        """A text or embedding model. Raises UnknownModel, which names those that `allows` has, and
        NoTokenizer for a provider's."""
        found: object = self._models.get(model) if allows(model) else None
        if isinstance(found, TokenizingModel):
            return found
        if isinstance(found, _ExternalModel):
            raise NoTokenizer(model)
        raise UnknownModel(model, tuple(filter(allows, self.tokenizing_ids)))

    def record_fallback(self, model: str) -> None:
        """Another model has answered in its place."""
        self._fallback_counts[model] += 1

    def resilience(self) -> dict[str, dict[str, Any]]:
        """How this process's calls have gone, by model: CallStats, `fallbacks`, the number of calls
        that other models answered, and LinkStats as `links` where links are configured.
        """
        return {
            id: {
                **asdict(model.figures()),
                "fallbacks": self._fallback_counts[id],
                **_link_stats(model),
            }
            for id, model in self._models.items()
            if isinstance(model, _MeasuredModel)
        }

    async def card(self, model: str) -> ModelCard:
        """Raises UnknownModel, or Overloaded when the model does not answer."""
        served = self._models.get(model)
        if served is None:
            raise UnknownModel(model, tuple(self._models))
        cached = self._cards.get(model)
        if cached is not None and self.clock.monotonic() - cached[0] < CARD_TTL_S:
            return cached[1]
        async with asyncio.timeout(CARD_TIMEOUT_S):
            card = await served.card()
        self._cards[model] = (self.clock.monotonic(), card)
        return card

    async def cards(self) -> dict[str, ModelCard | Problem]:
        """A card for each model that answers, and a problem for each that does not."""
        models = tuple(self._models)  # those of providers may come and go
        cards = await asyncio.gather(*map(self._card_or_problem, models))
        return dict(zip(models, cards, strict=True))

    async def loads(self) -> dict[str, ModelLoad | Problem]:
        """What one replica of each model is doing, or a problem if it does not answer."""
        models = tuple(self._models)
        loads = await asyncio.gather(*map(self._load_or_problem, models))
        return dict(zip(models, loads, strict=True))

    async def _load_or_problem(self, model: str) -> ModelLoad | Problem:
        try:
            async with asyncio.timeout(CARD_TIMEOUT_S):
                return await self._models[model].load()
        except TimeoutError:
            return _no_answer(model)
        except Exception as error:  # noqa: BLE001 - one bad model must not hide the others
            return to_problem(error)

    async def _card_or_problem(self, model: str) -> ModelCard | Problem:
        try:
            return await self.card(model)
        except TimeoutError:
            return _no_answer(model)
        except Exception as error:  # noqa: BLE001 - one bad model must not hide the others
            return to_problem(error)


def _link_stats(model: object) -> dict[str, Any]:
    stats = model.link_stats() if isinstance(model, _LinkedModel) else None
    return {} if stats is None else {"links": asdict(stats)}


def _no_answer(model: str) -> Problem:
    return Problem(f"Model '{model}' did not answer within {CARD_TIMEOUT_S:g} s.")
