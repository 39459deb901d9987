"""The one caller of Serve handles to models.

Flows in: a GenerateRequest. Flows out: the replica's answer or chunks, within the deadline, with
Ray's failures as problems. The replica's own problems come as answers and are raised here. Leaving
a call in the middle cancels it on the replica.
"""

import asyncio
from collections.abc import AsyncGenerator

from grpc import RpcError
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from cluster.problems import DeadlineExceeded, Problem
from cluster.resilience.failures import from_ray
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
)

# Our values are plain classes of importable modules: cloudpickle, Serve's default, costs more.
_PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}
_REMOTE = (RayError, RayServeException, RpcError)


class RemoteModel:
    """A ServedModel on the far side of a handle.

    Handles are made once: every `.options()` starts a metrics pusher and a long poll of its own.
    """

    def __init__(self, model: str, handle: DeploymentHandle) -> None:
        self._model = model
        self._generate = handle.options(**_PICKLED).generate
        self._card = handle.card
        self._load = handle.load
        self._stream = handle.options(stream=True, **_PICKLED).stream

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

    async def generate(self, request: GenerateRequest) -> Completion:
        response = self._generate.remote(request)
        try:
            async with asyncio.timeout(request.timeout_s):
                answer: Completion | Problem = await response
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

    async def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        response = self._stream.remote(request)
        ended = False
        try:
            async for chunk in response:
                if isinstance(chunk, Problem):
                    ended = True
                    raise chunk
                yield chunk
            ended = True
        except _REMOTE as error:
            ended = True
            raise from_ray(error, self._model) from None
        finally:
            if not ended:
                response.cancel()
