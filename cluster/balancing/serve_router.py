"""Request router for Ray Serve that uses the ReplicaSet's policy.

In: Serve's requests and replica updates. Out: the replica for each request; the ReplicaSet receives
the outcome. Serve creates one router per handle; all routers of a deployment in a process share one
ReplicaSet.

Serve's default router starts a task for every request and asks replicas for their queue lengths.
This one decides at once from the ReplicaSet's state, and pings a replica only after it was silent.
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
from cluster.balancing.request_info import (
    NOTHING,
    ReplicaGone,
    describe_request,
    required_replica,
)
from cluster.balancing.spec import RoutingSpec
from cluster.runtime.background import create_detached_task

_PING_S = 1.0
_log = logging.getLogger(__name__)


class TrackedReplica(RunningReplica):
    """Reports the end of each request to the ReplicaSet."""

    def __init__(self, info: Any, replica_set_: ReplicaSet) -> None:
        super().__init__(info)
        self.name: str = self.replica_id.unique_id
        self._replica_set = replica_set_

    def try_send_request(self, pr: PendingRequest, with_rejection: bool) -> ReplicaResult:
        dispatch = _get_dispatch(pr)
        if dispatch is None or not dispatch.call:
            return super().try_send_request(pr, with_rejection=with_rejection)
        try:
            result = super().try_send_request(pr, with_rejection=with_rejection)
        except BaseException:
            self._replica_set.ended(dispatch)
            raise
        result.add_done_callback(lambda _: self._replica_set.ended(dispatch))
        return result


class ReplicaSetRouter(RequestRouter):
    """A router; its kwargs in `request_router_config` are a RoutingSpec as JSON."""

    def __init__(self, *args: Any, self_node_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._node = self_node_id
        self._replica_set = replica_set(self._deployment_id.name)
        self._by_name: dict[str, TrackedReplica] = {}
        self._pings: set[asyncio.Task[None]] = set()

    def initialize_state(self, **spec: Any) -> None:
        self._replica_set.configure(_parse_spec(spec), pings=True)

    def create_replica_wrapper(self, replica_info: Any) -> TrackedReplica:
        return TrackedReplica(replica_info, self._replica_set)

    def update_replicas(self, replicas: list[TrackedReplica]) -> None:
        self._by_name = {replica.name: replica for replica in replicas}
        self._replica_set.update([self._replica_info(replica) for replica in replicas])
        super().update_replicas(replicas)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        super().on_replica_actor_died(replica_id)
        self._by_name.pop(replica_id.unique_id, None)
        self._replica_set.lost(replica_id.unique_id)

    async def _choose_replica_for_request(
        self, pending_request: PendingRequest, *, is_retry: bool = False
    ) -> RunningReplica:
        """Overrides Serve's queue of requests that wait for a replica.

        Waits only while there is no replica, or after all have rejected the request. Raises
        ReplicaGone where the only replica that may take it is not there.
        """
        required = required_replica(pending_request.args[0]) if pending_request.args else None
        if required is not None:
            return self._get_required(required)
        attempt = 0
        if is_retry:
            await self._handle_rejection(pending_request)
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
        """Required by Serve for reservations, which Mobula does not use."""
        dispatch = self._replica_set.place(NOTHING, self._by_name)
        return [] if dispatch is None else [[self._by_name[dispatch.state.replica]]]

    def on_request_routed(
        self, pending_request: PendingRequest, replica_id: ReplicaID, result: ReplicaResult
    ) -> None:
        dispatch = _get_dispatch(pending_request)
        if dispatch is not None:
            self._replica_set.alive(dispatch)

    # Serve's queue length cache is not used; the ReplicaSet tracks load.

    def on_send_request(self, replica_id: ReplicaID) -> None: ...

    def on_new_queue_len_info(self, replica_id: ReplicaID, num_ongoing_requests: int) -> None: ...

    def decrement_queue_len_cache(self, replica_id: ReplicaID) -> None: ...

    def _place(self, pending_request: PendingRequest) -> TrackedReplica | None:
        args = pending_request.args
        request = describe_request(args[0], self._replica_set.prefix_chars) if args else NOTHING
        dispatch = pending_request.dispatch = self._replica_set.place(request, self._by_name)
        for name in self._replica_set.to_ping(_PING_S):
            task = create_detached_task(self._ping(name), loop=self._event_loop)
            self._pings.add(task)
            task.add_done_callback(self._pings.discard)
        return None if dispatch is None else self._by_name[dispatch.state.replica]

    def _get_required(self, name: str) -> TrackedReplica:
        replica = self._by_name.get(name)
        if replica is None:
            raise ReplicaGone(name)
        return replica

    async def _handle_rejection(self, pending_request: PendingRequest) -> None:
        """Tries the next replica at once; backs off after each round of all replicas."""
        dispatch = _get_dispatch(pending_request)
        if dispatch is not None:
            self._replica_set.refused(dispatch)
        refusals = getattr(pending_request, "refusals", 0)
        pending_request.refusals = refusals + 1
        if refusals >= len(self._by_name):
            await self._backoff(refusals - len(self._by_name))

    async def _ping(self, name: str) -> None:
        """Pings a replica in the background, so that no request waits for it."""
        answered = False
        try:
            async with asyncio.timeout(_PING_S):
                await self._by_name[name].get_queue_len(deadline_s=_PING_S)
            answered = True
        except Exception:  # noqa: BLE001 - any error means no sign of life
            pass
        finally:
            self._replica_set.ponged(name, answered=answered)

    def _replica_info(self, replica: TrackedReplica) -> ReplicaInfo:
        node = replica.node_id or ""
        local = bool(node) and node == self._node
        return ReplicaInfo(replica.name, node, local, replica.routing_stats)


def _parse_spec(spec: dict[str, Any]) -> RoutingSpec:
    """The spec; the defaults if it is of a newer version, as during a rollout."""
    try:
        return RoutingSpec.model_validate(spec)
    except ValidationError as error:
        _log.warning("routing spec of an unknown version: %s", error)
        return RoutingSpec()


def _get_dispatch(pending_request: PendingRequest) -> Dispatch | None:
    return getattr(pending_request, "dispatch", None)
