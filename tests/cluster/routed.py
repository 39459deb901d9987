"""A model of three echoing replicas in an application of its own, and a caller that counts.

Modules of tests are not importable in replicas; this one is.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count

from cluster.balancing.replica_set import replica_set
from cluster.balancing.replica_state import Dispatch
from cluster.balancing.request_info import RoutingRequest
from cluster.balancing.spec import RoutingSpec
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import SystemClock
from cluster.tenants.caller import Caller
from deployments.clients.link.options import LinkOptions
from deployments.clients.link.pool import LinkStats
from deployments.contracts.generation import GenerateRequest, Message, Sampling
from graphs.options import model_name
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually

APP, MODEL, REPLICAS = "routed", "trio", 3
STOPPED_S = 300.0
CALLER = Caller("acme", "key", frozenset())


class Front:
    """Serve takes no router of ours for what answers HTTP."""

    def __init__(self, model: object) -> None:
        self.model = model

    async def __call__(self, request: object) -> str:
        return "routed"


class Trio:
    """Three echoing replicas behind a ModelClient, and how many requests each was sent."""

    def __init__(self, app: str = APP, model: str = MODEL) -> None:
        from ray import serve

        from deployments.clients.serve.backends import text_client

        receive_updates_between_tests()
        name = model_name(model)
        self.fleet = replica_set(name)
        self._app, self._model = app, model
        self.sent: Counter[str] = Counter()
        self._place, self._ids = self.fleet.place, count()
        self._hand_over = self.fleet.hand_over
        self.fleet.place = self._counted  # type: ignore[method-assign]
        self.fleet.hand_over = self._uncounted  # type: ignore[method-assign]
        handle = serve.get_deployment_handle(name, app)
        self.model = text_client(model, handle, ResilienceSpec(), SystemClock(), LinkOptions())

    def _counted(self, ask: RoutingRequest, reachable: dict[str, object]) -> Dispatch | None:
        dispatch = self._place(ask, reachable)
        if dispatch is not None:
            self.sent[dispatch.state.replica] += 1
        return dispatch

    def _uncounted(self, dispatch: Dispatch) -> None:
        """The replica has no link yet: the router of the handle places the call again."""
        self.sent[dispatch.state.replica] -= 1
        self._hand_over(dispatch)

    async def ask(self, text: str = "hello") -> str:
        """Returns the replica that it was sent to last."""
        call = f"routed-{next(self._ids)}"
        sampling = Sampling(max_tokens=1, temperature=0.0)  # a paced model answers at once, too
        messages = (Message("user", text),)
        request = GenerateRequest(call, CALLER, "trio", sampling, messages, timeout_s=25.0)
        before = self.sent.copy()
        completion = await self.model.generate(request)
        assert completion.choices
        return next(iter(self.sent - before))

    def process(self) -> tuple[str, int]:
        """A running replica that is known here, and its process."""
        known = self.fleet.replicas
        return next(each for each in processes(self._app, self._model).items() if each[0] in known)

    def link_stats(self) -> LinkStats:
        stats = self.model.link_stats()
        assert stats is not None
        return stats

    async def wait_for_links(self) -> None:
        """Until every replica is there and has its link."""

        async def complete() -> bool:
            with suppress(Exception):
                await self.ask()
            return self.fleet.size == self.link_stats().links == REPLICAS

        await eventually(complete, timeout_s=60)

    async def asks(self, times: int, side_by_side: int = 6) -> Counter[str]:
        """How many of so many each replica was sent."""
        before = self.sent.copy()
        for _ in range(times // side_by_side):
            await asyncio.gather(*(self.ask() for _ in range(side_by_side)))
        return self.sent - before


def receive_updates_between_tests() -> None:
    """Serve's client of the controller ends for good if an update comes while its event loop does
    not run, which is so between two tests; here such updates wait for the next test."""
    from ray.serve._private.long_poll import LongPollClient

    def schedule(client: LongPollClient, callback: Callable[[], object]) -> None:
        if client.is_running:
            client.event_loop.call_soon_threadsafe(callback)

    LongPollClient._schedule_to_event_loop = schedule


def deploy(
    cluster: LocalServe, routing: RoutingSpec, app: str = APP, model: str = MODEL, **more: object
) -> None:
    """`more` are further arguments of the model. Serve does not replace a replica that is stopped,
    however long a busy machine takes for the test."""
    from ray import serve

    from deployments.model.deployment import ModelReplica
    from graphs.model_args import ModelArgs
    from graphs.options import model_options

    args = ModelArgs.model_validate(
        {
            "id": model,
            "engine": "echo",
            "source": "echo",
            "num_cpus": 0.1,
            "replicas": REPLICAS,
            "routing": routing,
            **more,
        }
    )
    options = {**model_options(args), "health_check_timeout_s": STOPPED_S}
    trio = serve.deployment(ModelReplica, **options).bind(args.spec())
    front = serve.deployment(Front, ray_actor_options={"num_cpus": 0.1}).bind(trio)
    cluster.run(front, app, f"/{app}")


def processes(app: str = APP, model: str = MODEL) -> dict[str, int]:
    """Of each replica, by its name."""
    from ray.serve.context import _get_global_client

    details = _get_global_client().get_serve_details()
    replicas = details["applications"][app]["deployments"][model_name(model)]["replicas"]
    return {replica["replica_id"]: replica["pid"] for replica in replicas}
