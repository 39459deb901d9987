"""How a provider's upstreams are, for `/health`, without asking them.

In: what their last answers and the background check (background_check.py) have left. Out: the
problem of a model none of whose upstreams works, and its load.
"""

from collections.abc import Iterable

from cluster.runtime.problems import Problem
from deployments.contracts.generation import ModelLoad
from deployments.providers.upstream import Upstream
from deployments.providers.upstream_caller import UpstreamCaller

REMEMBERED_S = 75.0  # a failure counts so long; two background checks renew it


def failure(upstreams: Iterable[Upstream], now: float) -> Problem | None:
    """The last upstream's problem; None while any of them works, as far as is known."""
    problem: Problem | None = None
    for upstream in upstreams:
        problem = upstream.failure(now, REMEMBERED_S)
        if problem is None:
            return None
    return problem


def load_of(caller: UpstreamCaller) -> ModelLoad:
    """The attempts of this process."""
    counts = caller.counts
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
