"""Meeting the models before the first request, where a new ingress replica has the time for it.

A roll that adds a model starts new ingress replicas beside old ones. If they served at once, they
would not be ready until the new model has loaded, and whoever balances by `/readyz` would find
nobody: so they join once every model has answered, while the others go on serving. A replica that
starts alone, or after a crash, joins at once.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Protocol

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from cluster.runtime.problems import Problem
from deployments.contracts.generation import ModelCard

MEET_S = 120.0
_AGAIN_S = 0.5


class HasCard(Protocol):
    async def card(self) -> ModelCard: ...


async def wait_for_models(models: Iterable[HasCard], within_s: float = MEET_S) -> None:
    """Wait for each model's first answer, at most `within_s`, if other replicas serve meanwhile."""
    with contextlib.suppress(TimeoutError):
        if await asyncio.to_thread(_others_serve):
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(_answer_of(model) for model in models))


def _others_serve() -> bool:
    """Whether Serve counts a running replica of this deployment, which this one is not yet."""
    try:
        here = serve.get_replica_context()
        app = serve.status().applications[here.app_name]
        return app.deployments[here.deployment].replica_states.get("RUNNING", 0) > 0
    except (RayError, RayServeException, KeyError):
        return False


async def _answer_of(model: HasCard) -> None:
    while True:
        with contextlib.suppress(Problem):
            await model.card()
            return
        await asyncio.sleep(_AGAIN_S)
