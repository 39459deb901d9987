"""Replicas in this process behind either transport: what they were asked, and how they end.

`LinkedModel` and `HandledModel` are a ModelClient and an EmbedderClient in front of some
ScriptedReplicas.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import ReplicaInfo
from cluster.balancing.request_info import describe_request
from cluster.balancing.spec import EjectionSpec, RoutingSpec
from cluster.resilience.spec import HedgeSpec, ResilienceSpec
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.clients.link.link_caller import LinkCaller
from deployments.clients.link.options import LinkOptions
from deployments.clients.link.pool import LinkPool
from deployments.clients.link.replica_link import LinkSettings
from deployments.clients.model_client import EmbedderClient, ModelClient
from deployments.clients.serve.handle_caller import HandleCaller
from deployments.contracts.links import LinkOffer, OpenLinkRequest
from tests.cluster.polling import eventually
from tests.contract.links.scripted_replica import ScriptedReplica, handlers_of

CLOCK = SystemClock()


class FakeHandle:
    """A Serve handle whose router asks the replica set, as ours does."""

    def __init__(
        self, replicas: dict[str, ScriptedReplica], fleet: ReplicaSet, name: str = ""
    ) -> None:
        self._replicas, self._fleet, self._name = replicas, fleet, name
        self.calls = 0

    def options(self, **_: object) -> "FakeHandle":
        return self

    def __getattr__(self, name: str) -> "FakeHandle":
        child = FakeHandle(self._replicas, self._fleet, name)
        child.count = self._count  # type: ignore[method-assign]
        return child

    def _count(self) -> None:
        self.calls += 1

    def count(self) -> None: ...

    def remote(self, sent: Any = None) -> "FakeResponse":
        self.count()
        return FakeResponse(self, sent)

    def choose(self, sent: Any) -> tuple[ScriptedReplica, Any, Callable[[], None]]:
        fleet = self._fleet
        dispatch = fleet.place(describe_request(sent, 0), self._replicas)
        assert dispatch is not None
        replica = self._replicas[dispatch.state.replica]
        if not replica.dead.is_set():
            fleet.alive(dispatch)
        return replica, getattr(replica, self._name), lambda: fleet.ended(dispatch)


class FakeResponse:
    """What `.remote()` gives: to be awaited, or iterated over."""

    def __init__(self, handle: FakeHandle, sent: Any) -> None:
        self._replica_result_future: asyncio.Future[None] = asyncio.Future()
        self._replica_result = object()
        self._cancelled = asyncio.Event()
        self._replica, self._method, self._ended = handle.choose(sent)
        self._sent = sent
        self._replica_result_future.set_result(None)
        self._items: AsyncGenerator[Any, None] | None = None

    def __await__(self) -> Any:
        return self._guard(self._method(self._sent), last=True).__await__()

    def __aiter__(self) -> "FakeResponse":
        return self

    async def __anext__(self) -> Any:
        if self._items is None:
            self._items = self._method(self._sent)
        try:
            return await self._guard(anext(self._items))
        except StopAsyncIteration:
            self._ended()
            raise

    def cancel(self) -> None:
        self._cancelled.set()
        self._ended()
        if self._items is not None and not self._items.ag_running:
            self._closing = asyncio.ensure_future(self._items.aclose())

    async def _guard(self, work: Any, *, last: bool = False) -> Any:
        """The result, unless the replica dies or the call is cancelled."""
        task = asyncio.ensure_future(_outcome(work))
        ends = [asyncio.ensure_future(e.wait()) for e in (self._replica.dead, self._cancelled)]
        try:
            await asyncio.wait((task, *ends), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (task, *ends):
                end.cancel()
            if last:
                self._ended()
        if not task.done() or task.cancelled():
            raise RuntimeError("Unexpected error (StatusCode.UNAVAILABLE)")  # as Serve does
        found, error = task.result()
        if error is not None:
            raise error
        return found


async def _outcome(work: Any) -> tuple[Any, BaseException | None]:
    """StopAsyncIteration may not leave a task."""
    try:
        return await work, None
    except (Exception, StopAsyncIteration) as error:
        return None, error


class FakeOpening:
    """A call of `open_link` in this process; `through` may change the offer."""

    def __init__(
        self,
        endpoint: LinkEndpoint,
        replica: str,
        asked: str,
        through: Callable[[LinkOffer], LinkOffer],
    ) -> None:
        self._through = through
        self._ended = asyncio.Event()
        self._offers: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._run(endpoint, replica, asked))

    async def _run(self, endpoint: LinkEndpoint, replica: str, asked: str) -> None:
        try:
            offers = endpoint.offer(OpenLinkRequest(asked), replica, "127.0.0.1")
            async with aclosing(offers):
                async for offer in offers:
                    self._offers.put_nowait(offer)
        finally:
            self._ended.set()

    async def offer(self) -> LinkOffer:
        offer = await self._offers.get()
        if isinstance(offer, Problem):
            raise offer
        return self._through(offer)

    async def ended(self) -> None:
        await self._ended.wait()

    def cancel(self) -> None:
        self._task.cancel()


class ServedModel:
    """`names` are its replicas; what both transports have in common."""

    kind = ""

    def __init__(
        self,
        *names: str,
        retries: int = 2,
        silence_s: float = 5.0,
        hedge: HedgeSpec | None = None,
        replica: Callable[[str], ScriptedReplica] = ScriptedReplica,
        replicas: dict[str, ScriptedReplica] | None = None,
    ) -> None:
        """`replicas` are those of another ingress, which this one calls, too."""
        self.replicas = {} if replicas is None else replicas
        self.replicas.update({name: replica(name) for name in names})
        self.fleet = ReplicaSet(
            RoutingSpec(policy="round-robin", ejection=EjectionSpec(silence_s=silence_s)), CLOCK
        )
        self.spec = ResilienceSpec(retries=retries, hedge=hedge)
        self.handle = FakeHandle(self.replicas, self.fleet)
        methods = ("generate", "settle", "embed")
        self.handles = HandleCaller("m", self.handle, CLOCK, methods=methods, streams=("stream",))  # type: ignore[arg-type]

    def list(self, *names: str) -> None:
        """The replicas that the router knows."""
        self.fleet.update([ReplicaInfo(name, "node", True, {}) for name in names])

    @property
    def running(self) -> int:
        return sum(len(replica.running) for replica in self.replicas.values())

    @property
    def cancelled(self) -> int:
        return sum(len(replica.cancelled) for replica in self.replicas.values())

    @property
    def outstanding(self) -> int:
        return sum(status.requests for status in self.fleet.statuses().values())


class HandledModel(ServedModel):
    """Calls go by handle."""

    kind = "serve"

    async def start(self) -> None:
        self.list(*self.replicas)
        self.text = ModelClient("m", self.handles, self.fleet, self.spec, CLOCK)
        self.vectors = EmbedderClient("m", self.handles, self.fleet, self.spec, CLOCK)

    async def kill(self, name: str) -> None:
        self.fleet.lost(name)
        self.replicas[name].dead.set()

    async def close(self) -> None: ...


class LinkedModel(ServedModel):
    """Calls go over links. `through` changes offers, by replica; `options` are of either side,
    `theirs` of some replicas. `beside` is another ingress, whose replicas this one calls."""

    kind = "link"

    def __init__(
        self,
        *names: str,
        ours: LinkOptions | None = None,
        theirs: dict[str, LinkOptions] | None = None,
        beside: "LinkedModel | None" = None,
        **more: Any,
    ) -> None:
        super().__init__(*names, replicas=beside.replicas if beside else None, **more)
        self.options = ours or LinkOptions()
        self.theirs = beside.theirs if beside else theirs or {}
        self.through: dict[str, Callable[[LinkOffer], LinkOffer]] = beside.through if beside else {}
        self.endpoints: dict[str, LinkEndpoint] = beside.endpoints if beside else {}
        self.openings = 0
        self.refused: BaseException | None = None
        self.pool = LinkPool(self.fleet, LinkSettings("m", self.open_link, self.options))

    def endpoint(self, name: str) -> LinkEndpoint:
        if name not in self.endpoints:
            options = self.theirs.get(name, self.options)
            handlers = handlers_of(self.replicas[name])
            self.endpoints[name] = LinkEndpoint("m", handlers, options)
        return self.endpoints[name]

    def open_link(self, name: str) -> FakeOpening:
        self.openings += 1
        if self.refused is not None:
            raise self.refused
        through = self.through.get(name, lambda offer: offer)
        return FakeOpening(self.endpoint(name), name, name, through)

    async def start(self, *, linked: bool = True) -> None:
        caller = LinkCaller("m", self.pool, self.handles, self.fleet, CLOCK)
        self.text = ModelClient("m", caller, self.fleet, self.spec, CLOCK, self.pool)
        self.vectors = EmbedderClient("m", caller, self.fleet, self.spec, CLOCK)
        self.list(*self.replicas)
        self.pool.active()
        if linked:
            await eventually(lambda: self.pool.stats().links == len(self.replicas))

    async def kill(self, name: str) -> None:
        """As a process that is killed: its sockets are reset."""
        self.replicas[name].dead.set()
        self.fleet.lost(name)
        await self.endpoints[name].close()

    async def close(self) -> None:
        await self.pool.close()
        for endpoint in self.endpoints.values():
            await endpoint.close()
