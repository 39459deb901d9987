"""The router that handles of models use, told of replicas and requests as Serve tells it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from ray.serve._private.common import (
    DeploymentHandleSource,
    DeploymentID,
    ReplicaID,
    RequestMetadata,
)
from ray.serve.request_router import PendingRequest

from cluster.balancing.replica_set import ReplicaStatus
from cluster.balancing.request_info import ReplicaGone, RoutingRequest
from cluster.balancing.serve_router import ReplicaSetRouter, TrackedReplica
from cluster.balancing.spec import RoutingSpec
from deployments.contracts.links import OpenLinkRequest

NUMBERS = count()


class Result:
    """What sending gives: ends when told to."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[object], None]] = []

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        self.callbacks.append(callback)

    def end(self) -> None:
        for callback in self.callbacks:
            callback(None)


class Setting:
    """A router of a deployment of its own, in a process on node `here`."""

    def __init__(self, **spec: Any) -> None:
        self.deployment = DeploymentID(f"Model:{next(NUMBERS)}", "app")
        self.router = ReplicaSetRouter(
            deployment_id=self.deployment,
            handle_source=DeploymentHandleSource.REPLICA,
            self_node_id="here",
            use_replica_queue_len_cache=True,
            initial_backoff_s=0.001,
        )
        self.router.initialize_state(**RoutingSpec().model_dump(mode="json") | spec)

    def there(self, **nodes: str) -> None:
        """Replicas by name, and their nodes."""
        self.router._update_running_replicas([self._info(*each) for each in nodes.items()])

    def _info(self, name: str, node: str) -> SimpleNamespace:
        async def ongoing() -> int:
            return 0

        ask = SimpleNamespace(remote=ongoing)
        return SimpleNamespace(
            replica_id=ReplicaID(name, self.deployment),
            node_id=node,
            routing_stats={},
            multiplexed_model_ids=(),
            is_cross_language=False,
            get_actor_handle=lambda: SimpleNamespace(get_num_ongoing_requests=ask),
        )

    async def choose(self, request: object = None, *, again: PendingRequest = None) -> Any:
        """The replica and the pending request."""
        metadata = RequestMetadata(request_id="http", internal_request_id="http")
        args = [] if request is None else [request]
        pending = again or PendingRequest(args=args, kwargs={}, metadata=metadata)
        replica = await self.router._choose_replica_for_request(pending, is_retry=again is not None)
        return replica, pending

    def send(self, replica: TrackedReplica, pending: PendingRequest) -> Result:
        result = Result()
        wrapper = SimpleNamespace(send_request_python=lambda pr, with_rejection: result)
        replica._actor_replica_wrapper = replica._grpc_replica_wrapper = wrapper
        replica.try_send_request(pending, with_rejection=True)
        return result

    def standing(self, name: str) -> ReplicaStatus:
        return self.router._replica_set.statuses()[name]


def request(call: str) -> SimpleNamespace:
    sampling, caller = SimpleNamespace(max_tokens=10), SimpleNamespace(tenant="t")
    return SimpleNamespace(request_id=call, caller=caller, prompt="x" * 40, sampling=sampling, n=1)


async def test_requests_of_one_http_request_are_chosen_for_one_by_one() -> None:
    """In Serve they share an id, by which its own routers take one for the other."""
    setting = Setting()
    setting.there(a="here", b="here")
    found = [(await setting.choose(request(str(number))))[0].name for number in range(6)]
    assert Counter(found) == {"a": 3, "b": 3}


async def test_what_is_sent_is_outstanding_until_its_result_has_ended() -> None:
    setting = Setting()
    setting.there(a="here")
    replica, pending = await setting.choose(request("one"))
    assert (setting.standing("a").requests, setting.standing("a").tokens) == (1, 20)
    result = setting.send(replica, pending)
    assert setting.router._replica_set.placed("one") == "a"
    result.end()
    assert setting.standing("a").requests == 0


async def test_a_send_that_fails_leaves_nothing_outstanding() -> None:
    setting = Setting()
    setting.there(a="here")
    replica, pending = await setting.choose(request("one"))
    replica._actor_replica_wrapper = replica._grpc_replica_wrapper = SimpleNamespace()
    try:
        replica.try_send_request(pending, with_rejection=True)
    except AttributeError:
        assert setting.standing("a").requests == 0
    else:
        raise AssertionError("it was sent")


async def test_a_request_waits_for_the_first_replica() -> None:
    setting = Setting()
    waiting = asyncio.create_task(setting.choose(request("one")))
    await asyncio.sleep(0)
    assert not waiting.done()
    setting.there(a="here")
    assert (await waiting)[0].name == "a"


async def test_where_one_has_refused_another_is_asked_at_once() -> None:
    setting = Setting()
    setting.there(a="here", b="here")
    first, pending = await setting.choose(request("one"))
    second, _ = await setting.choose(again=pending)
    assert {first.name, second.name} == {"a", "b"}
    third, _ = await setting.choose(again=pending)
    assert third.name in {"a", "b"}


async def test_a_dead_replica_is_left_out_before_the_controller_says_so() -> None:
    setting = Setting()
    setting.there(a="here", b="here")
    setting.router.on_replica_actor_died(ReplicaID("a", setting.deployment))
    found = {(await setting.choose(request(str(number))))[0].name for number in range(4)}
    assert found == {"b"}


async def test_cards_and_loads_go_anywhere_and_are_not_counted() -> None:
    setting = Setting()
    setting.there(a="here", b="here")
    found = {(await setting.choose())[0].name for _ in range(4)}
    assert found == {"a", "b"}
    assert setting.standing("a").requests == 0


async def test_the_callers_node_is_first_while_it_is_not_busier() -> None:
    setting = Setting()
    setting.there(near="here", far="there")
    found = [(await setting.choose(request(str(number))))[0].name for number in range(4)]
    assert found == ["near", "far", "near", "far"]


async def test_a_spec_of_a_newer_version_means_the_defaults() -> None:
    assert Setting(policy="of-tomorrow").router._replica_set.spec == RoutingSpec()
    assert Setting(policy="least-time").router._replica_set.spec.policy == "least-time"


async def test_a_request_for_one_replica_alone_reaches_it_and_no_other() -> None:
    setting = Setting()
    setting.there(a="here", b="here")
    for name in "abab":
        found, _ = await setting.choose(OpenLinkRequest(name))
        assert found.name == name
    assert setting.standing("a").requests == 0


async def test_a_request_for_a_replica_that_is_gone_fails_at_once() -> None:
    setting = Setting()
    with pytest.raises(ReplicaGone):
        await setting.choose(OpenLinkRequest("a"))
    setting.there(b="here")
    with pytest.raises(ReplicaGone):
        await setting.choose(OpenLinkRequest("a"))


async def test_a_call_that_was_placed_and_handed_over_goes_to_the_same_replica() -> None:
    """As one does whose replica has no link."""
    setting = Setting(policy="round-robin")
    setting.there(a="here", b="here")
    replicas = setting.router._replica_set
    for number in range(4):
        call = str(number)
        placed = replicas.place(RoutingRequest(call), "ab")
        assert placed is not None
        replicas.hand_over(placed)
        assert replicas.placed(call) is None
        found, _ = await setting.choose(request(call))
        assert found.name == placed.state.replica
    assert (setting.standing("a").requests, setting.standing("b").requests) == (2, 2)


async def test_subscribers_hear_of_replicas_that_come_and_go() -> None:
    setting = Setting()
    heard: list[frozenset[str]] = []
    replicas = setting.router._replica_set
    replicas.subscribe(lambda: heard.append(replicas.replicas))
    setting.there(a="here", b="here")
    setting.router.on_replica_actor_died(ReplicaID("a", setting.deployment))
    setting.there()
    assert heard == [frozenset("ab"), frozenset("b"), frozenset()]
