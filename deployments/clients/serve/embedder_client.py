"""The one caller of Serve handles to embedding models.

Flows in: an EmbedRequest. Flows out: the replica's vectors, within the deadline, with Ray's
failures as problems; another replica's where one fails.
"""

from dataclasses import replace

from ray.serve.handle import DeploymentHandle

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from deployments.clients.serve.attempts import UnaryAttempt
from deployments.clients.serve.served_client import PICKLED, ServedModelClient
from deployments.contracts.embedding import Embeddings, EmbedRequest


class RemoteEmbedder(ServedModelClient):
    """A ServedEmbedder on the far side of a handle."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        fleet: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        super().__init__(model, handle, fleet, spec, clock)
        self._embed = handle.options(**PICKLED).embed

    async def embed(self, request: EmbedRequest) -> Embeddings:
        def send(call: str, left_s: float) -> UnaryAttempt[Embeddings]:
            again = call != request.request_id
            asked = replace(request, request_id=call, timeout_s=left_s) if again else request
            return UnaryAttempt(self._model, self._embed.remote(asked), call, left_s, self._now())

        return await self._calls.run(request.request_id, request.timeout_s, send)
