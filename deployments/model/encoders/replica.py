"""The stats of a replica whose model encodes texts in batches."""

from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.model.encoders.batched_model import BatchedModel
from deployments.model.replica import LinkedReplica


class EncoderReplica(LinkedReplica):
    """A base of replicas."""

    _model: BatchedModel

    async def card(self) -> ModelCard:
        return await self._model.card()

    async def load(self) -> ModelLoad:
        return await self._model.load()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        links = {"links": self._links.offers}
        return self._model.report() | self._health.summary() | links

    async def record_routing_stats(self) -> dict[str, int | float]:
        batcher = self._model.batcher
        return {"running": batcher.running, "queued": batcher.waiting}
