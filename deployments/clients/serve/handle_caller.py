"""Calls of a model's replicas by Serve handle: a `ReplicaCaller`.

In: requests. Out: attempts whose replica our router in Serve selects
(cluster/balancing/serve_router.py).
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from ray.serve.handle import DeploymentHandle

from cluster.resilience.ray_errors import REMOTE_ERRORS, from_ray
from cluster.runtime.clock import Clock
from cluster.runtime.problems import DeadlineExceeded
from deployments.clients.serve.attempts import StreamAttempt, UnaryAttempt

# Our values are plain classes of importable modules: cloudpickle, Serve's default, is slower.
PICKLED = {"request_serialization": "pickle", "response_serialization": "pickle"}


class HandleCaller:
    """Handles are made once: every `.options()` starts a metrics pusher and a long poll of its
    own."""

    def __init__(
        self,
        model: str,
        handle: DeploymentHandle,
        clock: Clock,
        *,
        methods: Sequence[str],
        streams: Sequence[str] = (),
    ) -> None:
        """`model` is named in problems; `card` and `load` need not be among the `methods`."""
        self._model = model
        self._now = clock.monotonic
        pickled = handle.options(**PICKLED)
        self._methods = {name: getattr(pickled, name) for name in methods}
        self._methods |= {"card": handle.card, "load": handle.load}
        if streams:
            streaming = handle.options(stream=True, **PICKLED)
            self._streams = {name: getattr(streaming, name) for name in streams}

    def call(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> UnaryAttempt[Any]:
        response = self._methods[method].remote(request)
        return UnaryAttempt(self._model, response, call, timeout_s, self._now(), patience_s)

    def stream(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> StreamAttempt[Any]:
        response = self._streams[method].remote(request)
        return StreamAttempt(self._model, response, call, timeout_s, self._now(), patience_s)

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        response = self._methods[method].remote(*arguments)
        try:
            async with asyncio.timeout(timeout_s):
                return await response
        except TimeoutError:
            response.cancel()
            raise DeadlineExceeded(self._model, timeout_s) from None
        except REMOTE_ERRORS as error:
            raise from_ray(error, self._model) from None
