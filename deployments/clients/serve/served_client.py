"""What callers of every kind of model on the far side of a handle share.

In: a handle and its fleet. Out: the model's card and load, and how calls of it have gone.
"""

from ray.serve.handle import DeploymentHandle

from cluster.balancing.replica_set import ReplicaSet
from cluster.resilience.ray_errors import from_ray
from cluster.resilience.resilient_call import CallStats, ResilientCaller
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from deployments.clients.serve.attempts import REMOTE
from deployments.contracts.generation import ModelCard, ModelLoad

# Our values are plain classes of importable modules: cloudpickle, Serve's default, costs more.
PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}


class ServedModelClient:
    """Handles are made once: every `.options()` starts a metrics pusher and a long poll of its own.

    `fleet` is that of the handle's deployment.
    """

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        fleet: ReplicaSet,
        spec: ResilienceSpec,
        clock: Clock,
    ) -> None:
        self._model = model
        self._card = handle.card
        self._load = handle.load
        self._calls = ResilientCaller(model, spec, fleet, clock)
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

    def figures(self) -> CallStats:
        """How calls have gone, as this process has seen them."""
        return self._calls.figures()
