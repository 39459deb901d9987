"""The Fleet's policy as a request router of Ray Serve.

Flows in: Serve's requests and its news of replicas. Flows out: the replica for each request, and
to the Fleet what became of it. Serve makes one router a handle; all of a deployment's in a process
share one Fleet.

Serve's default router starts a task for every request, asks replicas for their queue lengths and
may give a request the place that another one asked for. This one answers at once from what the
Fleet knows, and asks a replica only for a sign of life after it was silent.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from ray.serve.request_router import (
    PendingRequest,
    ReplicaID,
    ReplicaResult,
    RequestRouter,
    RunningReplica,
)

from cluster.balancing.replica_set import ReplicaSet, replica_set
from cluster.balancing.replica_state import Dispatch, ReplicaInfo
from cluster.balancing.request_info import NOTHING, ask_of
from cluster.balancing.spec import RoutingSpec
from cluster.runtime.background import create_detached_task

_PING_S = 1.0
_log = logging.getLogger(__name__)


class TrackedReplica(RunningReplica):
    """Tells the Fleet when a request has ended, however it did."""

    def __init__(self, info: Any, fleet: ReplicaSet) -> None:
        super().__init__(info)
        self.name: str = self.replica_id.unique_id
        self._fleet = fleet

    def try_send_request(self, pr: PendingRequest, with_rejection: bool) -> ReplicaResult:
        placement = _placement(pr)
        if placement is None or not placement.call:
            return super().try_send_request(pr, with_rejection=with_rejection)
        try:
            result = super().try_send_request(pr, with_rejection=with_rejection)
        except BaseException:
            self._fleet.ended(placement)
            raise
        result.add_done_callback(lambda _: self._fleet.ended(placement))
        return result


class ReplicaSetRouter(RequestRouter):
    """Its kwargs in `request_router_config` are a RoutingSpec as JSON."""

    def __init__(self, *args: Any, self_node_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._node = self_node_id
        self._fleet = replica_set(self._deployment_id.name)
        self._by_name: dict[str, TrackedReplica] = {}
        self._pings: set[asyncio.Task[None]] = set()

    def initialize_state(self, **spec: Any) -> None:
        self._fleet.configure(_understood(spec), pings=True)

    def create_replica_wrapper(self, replica_info: Any) -> TrackedReplica:
        return TrackedReplica(replica_info, self._fleet)

    def update_replicas(self, replicas: list[TrackedReplica]) -> None:
        self._by_name = {replica.name: replica for replica in replicas}
        self._fleet.update([self._member(replica) for replica in replicas])
        super().update_replicas(replicas)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        super().on_replica_actor_died(replica_id)
        self._by_name.pop(replica_id.unique_id, None)
        self._fleet.lost(replica_id.unique_id)

    async def _choose_replica_for_request(
        self, pending_request: PendingRequest, *, is_retry: bool = False
    ) -> RunningReplica:
        """Overrides what in Serve queues the request for a task that looks for a replica.

        Waits only while there is none, and once all have refused or not been reached.
        """
        attempt = 0
        if is_retry:
            await self._refused(pending_request)
        while True:
            replica = self._place(pending_request)
            if replica is not None:
                return replica
            if self._by_name:
                await self._backoff(attempt)
                attempt += 1
            else:
                self._replicas_updated_event.clear()
                await self._replicas_updated_event.wait()

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> Sequence[list[RunningReplica]]:
        """For whoever reserves a replica before it is used; Mobula does not."""
        placement = self._fleet.place(NOTHING, self._by_name)
        return [] if placement is None else [[self._by_name[placement.seat.replica]]]

    def on_request_routed(
        self, pending_request: PendingRequest, replica_id: ReplicaID, result: ReplicaResult
    ) -> None:
        placement = _placement(pending_request)
        if placement is not None:
            self._fleet.alive(placement)

    # Serve's own count of what replicas have; the Fleet has a better one.

    def on_send_request(self, replica_id: ReplicaID) -> None: ...

    def on_new_queue_len_info(self, replica_id: ReplicaID, num_ongoing_requests: int) -> None: ...

    def decrement_queue_len_cache(self, replica_id: ReplicaID) -> None: ...

    def _place(self, pending_request: PendingRequest) -> TrackedReplica | None:
        args = pending_request.args
        ask = ask_of(args[0], self._fleet.prefix_chars) if args else NOTHING
        placement = pending_request.placement = self._fleet.place(ask, self._by_name)
        for name in self._fleet.to_ping(_PING_S):
            task = create_detached_task(self._ping(name), loop=self._event_loop)
            self._pings.add(task)
            task.add_done_callback(self._pings.discard)
        return None if placement is None else self._by_name[placement.seat.replica]

    async def _refused(self, pending_request: PendingRequest) -> None:
        """The next one is asked at once; a round of all of them waits longer each time."""
        placement = _placement(pending_request)
        if placement is not None:
            self._fleet.refused(placement)
        refusals = getattr(pending_request, "refusals", 0)
        pending_request.refusals = refusals + 1
        if refusals >= len(self._by_name):
            await self._backoff(refusals - len(self._by_name))

    async def _ping(self, name: str) -> None:
        """Beside all requests: nobody waits for a replica that may be stopped."""
        answered = False
        try:
            async with asyncio.timeout(_PING_S):
                await self._by_name[name].get_queue_len(deadline_s=_PING_S)
            answered = True
        except Exception:  # noqa: BLE001 - whatever it is, there was no sign of life
            pass
        finally:
            self._fleet.ponged(name, answered=answered)

    def _member(self, replica: TrackedReplica) -> ReplicaInfo:
        node = replica.node_id or ""
        local = bool(node) and node == self._node
        return ReplicaInfo(replica.name, node, local, replica.routing_stats)


def _understood(spec: dict[str, Any]) -> RoutingSpec:
    """The spec; while a newer one is rolled out than this process knows, the defaults."""
    try:
        return RoutingSpec.model_validate(spec)
    except ValidationError as error:
        _log.warning("a routing spec that this version does not know: %s", error)
        return RoutingSpec()


def _placement(pending_request: PendingRequest) -> Dispatch | None:
    return getattr(pending_request, "placement", None)
