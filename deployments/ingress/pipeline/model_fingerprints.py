"""Fingerprints of the served models: everything that their responses depend on, as one word each.

In: model cards, polled in the background. Out: a fingerprint by model id, which is part of the
cache key. So after a change of weights, tokenizer, template or engine no older entry is found.
"""

from cluster.runtime.background import PeriodicTask
from cluster.runtime.problems import Problem
from deployments.contracts.generation import ModelCard
from deployments.ingress.model_registry import ModelRegistry

POLL_S = 2.0
FIRST_POLL_S = 0.25  # until every model has answered once


class ModelFingerprints:
    """Make it, then `start` it on the loop that uses it.

    `by_model` has a model once it has answered; a model that is away keeps its fingerprint, and one
    that its provider lists no more has none. `version` changes with any of them.
    """

    def __init__(self, models: ModelRegistry) -> None:
        self.by_model: dict[str, str] = {}
        self.version = ""
        self._models = models
        self._polling = PeriodicTask(
            self.refresh, self._interval_s, "refresh of the models' fingerprints"
        )

    async def refresh(self) -> None:
        """Ask every model. Those that do not answer stay as they were."""
        cards = await self._models.cards()
        for id in self.by_model.keys() - cards.keys():
            del self.by_model[id]
        for id, card in cards.items():
            if not isinstance(card, Problem):
                self.by_model[id] = fingerprint(card)
        self.version = ";".join(f"{id}={word}" for id, word in sorted(self.by_model.items()))

    async def start(self) -> None:
        """Keep up to date from now on; does not wait for the models."""
        self._polling.start()

    async def close(self) -> None:
        await self._polling.close()

    def _interval_s(self) -> float:
        is_complete = self.by_model.keys() >= set(self._models.ids)
        return POLL_S if is_complete else FIRST_POLL_S


def fingerprint(card: ModelCard) -> str:
    """The revision covers weights, configuration, tokenizer and template (model/catalog.py)."""
    state = f"{card.engine}:{card.revision}:{card.context_length}"
    return f"{state}:{card.tool_format}" if card.tool_format else state
