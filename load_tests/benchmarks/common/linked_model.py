"""A text model behind a real link, both ends in this process: no Ray, no handle.

In: a TextModel. Out: a ModelClient whose calls go over one TCP connection on loopback to a replica
that answers as deployments/model/deployment.py does.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import ReplicaInfo
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.attempts import Attempt
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.clients.link.link_caller import LinkCaller
from deployments.clients.link.methods import GENERATE, SETTLE, STREAM, Handlers, RelayedStream
from deployments.clients.link.pool import LinkPool
from deployments.clients.link.replica_link import LinkSettings
from deployments.clients.model_client import ModelClient
from deployments.clients.replica_caller import ReplicaStream
from deployments.contracts.generation import (
    Completion,
    GenerateRequest,
    ModelLoad,
    SettleRequest,
    TokenUsage,
)
from deployments.contracts.links import LinkOffer, OpenLinkRequest
from deployments.contracts.text_relay import TextRelay
from deployments.model.errors import as_response, as_response_stream
from deployments.model.text.text_model import TextModel

_REPLICA = "replica"
_UP_S, _POLL_S = 5.0, 0.01


@asynccontextmanager
async def linked_model(name: str, model: TextModel, clock: Clock) -> AsyncIterator[ModelClient]:
    """Raises RuntimeError where the link is not up within 5 s."""
    replica = _Replica(model)
    handlers: Handlers = {
        GENERATE: replica.generate,
        STREAM: RelayedStream(replica.stream, lambda: model.relay_hold_s),
        SETTLE: replica.settle,
    }
    endpoint = LinkEndpoint(name, handlers)
    replicas = ReplicaSet(RoutingSpec(), clock)
    pool = LinkPool(replicas, LinkSettings(name, lambda _: _Opening(endpoint)))
    caller = LinkCaller(name, pool, _NoHandles(model), replicas, clock)
    client = ModelClient(name, caller, replicas, ResilienceSpec(), clock, pool)
    replicas.update([ReplicaInfo(_REPLICA, "node", True, {})])
    pool.active()
    try:
        await _wait_for_link(name, pool)
        yield client
    finally:
        await client.close()
        await endpoint.close()
        await model.close()


async def _wait_for_link(name: str, pool: LinkPool) -> None:
    for _ in range(int(_UP_S / _POLL_S)):
        if pool.stats().links:
            return
        await asyncio.sleep(_POLL_S)
    raise RuntimeError(f"the link to '{name}' is not up after {_UP_S:g} s")


class _Replica:
    """What ModelReplica (deployments/model/deployment.py) does with the calls of a link."""

    def __init__(self, model: TextModel) -> None:
        self._model = model

    async def generate(self, request: GenerateRequest) -> Any:
        return await as_response(self._model.generate(request), request)

    def stream(self, request: GenerateRequest, relay: TextRelay) -> AsyncGenerator[Any, None]:
        return as_response_stream(self._model.stream(request, relay), request)

    async def settle(self, request: SettleRequest) -> TokenUsage:
        return await self._model.settle(request.call)


class _NoHandles:
    """Implements `ReplicaCaller`, for questions about the model only."""

    def __init__(self, model: TextModel) -> None:
        self._model = model

    def call(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> Attempt[Completion]:
        raise RuntimeError("the call does not go over the link")

    def stream(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> ReplicaStream:
        raise RuntimeError("the stream does not go over the link")

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        return self._model.card() if method == "card" else ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)


class _Opening:
    """Implements `LinkOpening`: the call of `open_link` in this process."""

    def __init__(self, endpoint: LinkEndpoint) -> None:
        self._offer: asyncio.Future[LinkOffer] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(endpoint))

    async def offer(self) -> LinkOffer:
        return await self._offer

    async def ended(self) -> None:
        await asyncio.wait((self._task,))

    def cancel(self) -> None:
        self._task.cancel()

    async def _run(self, endpoint: LinkEndpoint) -> None:
        async with aclosing(
            endpoint.offer(OpenLinkRequest(_REPLICA), _REPLICA, "127.0.0.1")
        ) as offers:
            async for offer in offers:
                assert isinstance(offer, LinkOffer)
                self._offer.set_result(offer)
