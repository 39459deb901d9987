"""The stats of a replica whose model encodes texts in batches."""

from collections.abc import Iterator

from cluster.metrics.catalogue import generation
from cluster.metrics.series import Reading
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

    def _readings(self) -> Iterator[Reading]:
        id, batcher = self._id, self._model.batcher
        yield generation.RUNNING, [((id,), batcher.running)]
        yield generation.QUEUE_LENGTH, [((id,), batcher.waiting)]

    async def record_routing_stats(self) -> dict[str, int | float]:
        batcher = self._model.batcher
        return {"running": batcher.running, "queued": batcher.waiting}
