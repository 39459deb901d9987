"""The one caller of Serve handles to embedding models.

Flows in: an EmbedRequest. Flows out: the replica's vectors, within the deadline, with Ray's
failures as problems; another replica's where one fails.
"""

from dataclasses import replace

from ray.serve.handle import DeploymentHandle

from cluster.clock import Clock
from cluster.resilience.calls import CallFigures, Calls
from cluster.resilience.failures import from_ray
from cluster.resilience.spec import ResilienceSpec
from cluster.routing.fleet import Fleet
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.remote_attempts import REMOTE, UnaryAttempt

_PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}


class RemoteEmbedder:
    """A ServedEmbedder on the far side of a handle, whose `.options()` is called once."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        fleet: Fleet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        """`fleet` is that of the handle's deployment."""
        self._model = model
        self._embed = handle.options(**_PICKLED).embed
        self._card = handle.card
        self._load = handle.load
        self._calls = Calls(model, spec, fleet, clock)
        self._now = clock.monotonic

    async def card(self) -> ModelCard:
        try:
            return await self._card.remote()
        except REMOTE as error:
            raise from_ray(error, self._model) from None

    async def load(self) -> ModelLoad:
        try:
            return await self._load.remote()
        except REMOTE as error:
            raise from_ray(error, self._model) from None

    async def embed(self, request: EmbedRequest) -> Embeddings:
        def send(call: str, left_s: float) -> UnaryAttempt[Embeddings]:
            again = call != request.request_id
            asked = replace(request, request_id=call, timeout_s=left_s) if again else request
            return UnaryAttempt(self._model, self._embed.remote(asked), call, left_s, self._now())

        return await self._calls.run(request.request_id, request.timeout_s, send)

    def figures(self) -> CallFigures:
        """How calls have gone, as this process has seen them."""
        return self._calls.figures()
