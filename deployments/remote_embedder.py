"""The one caller of Serve handles to embedding models.

Flows in: an EmbedRequest. Flows out: the replica's vectors, within the deadline, with Ray's
failures as problems. The replica's own problems come as answers and are raised here.
"""

import asyncio

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.problems import DeadlineExceeded, Problem
from cluster.resilience.failures import from_ray
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import ModelCard, ModelLoad

_PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}
_REMOTE = (RayError, RayServeException)


class RemoteEmbedder:
    """A ServedEmbedder on the far side of a handle, whose `.options()` is called once."""

    def __init__(self, model: str, handle: DeploymentHandle) -> None:
        self._model = model
        self._embed = handle.options(**_PICKLED).embed
        self._card = handle.card
        self._load = handle.load

    async def card(self) -> ModelCard:
        try:
            return await self._card.remote()
        except _REMOTE as error:
            raise from_ray(error, self._model) from None

    async def load(self) -> ModelLoad:
        try:
            return await self._load.remote()
        except _REMOTE as error:
            raise from_ray(error, self._model) from None

    async def embed(self, request: EmbedRequest) -> Embeddings:
        response = self._embed.remote(request)
        try:
            async with asyncio.timeout(request.timeout_s):
                answer: Embeddings | Problem = await response
        except TimeoutError:
            response.cancel()
            raise DeadlineExceeded(self._model, request.timeout_s) from None
        except asyncio.CancelledError:
            response.cancel()
            raise
        except _REMOTE as error:
            raise from_ray(error, self._model) from None
        if isinstance(answer, Problem):
            raise answer
        return answer
