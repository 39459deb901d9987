"""What the models of providers share: whom they call, and how their upstreams are.

In: what the last answers of the upstreams and the background check (background_check.py) have left.
Out: a card, or the problem of a model none of whose upstreams works; its load and the outcomes of
its calls, for `/health`. Asks nobody.
"""

from collections.abc import Iterable

from cluster.resilience.resilient_call import CallStats, ResilientCaller
from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.providers.upstream import Upstream
from deployments.providers.upstream_caller import UpstreamCaller

REMEMBERED_S = 75.0  # a failure counts so long; two background checks renew it


class ProvidedModel:
    """Use it on one event loop."""

    is_external = True

    def __init__(
        self, card: ModelCard, caller: UpstreamCaller, spec: ResilienceSpec, clock: Clock
    ) -> None:
        """`card` describes the model; its `id` is the model's."""
        self.caller = caller
        self.calls = ResilientCaller(card.id, spec, caller.replicas, clock)
        self.now = clock.monotonic
        self._card = card

    async def card(self) -> ModelCard:
        """Raises the problem of its upstreams, where none of them works."""
        problem = _failure(self.caller.upstreams.values(), self.now())
        if problem is not None:
            raise problem
        return self._card

    async def load(self) -> ModelLoad:
        """The attempts of this process."""
        counts = self.caller.counts
        over = counts.finished + counts.failed + counts.cancelled
        return ModelLoad(
            running=counts.submitted - over,
            waiting=0,
            submitted=counts.submitted,
            finished=counts.finished,
            cancelled=counts.cancelled,
            failed=counts.failed,
            tokens_out=0,
            handlers=counts.submitted - over,
        )

    def figures(self) -> CallStats:
        """The outcomes of this process's calls."""
        return self.calls.figures()


def _failure(upstreams: Iterable[Upstream], now: float) -> Problem | None:
    """The last upstream's problem; None while any of them works, as far as is known."""
    problem: Problem | None = None
    for upstream in upstreams:
        problem = upstream.failure(now, REMEMBERED_S)
        if problem is None:
            return None
    return problem
