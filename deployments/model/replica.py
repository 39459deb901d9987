"""What the Serve replicas of all models have in common: their links, their health, their end.

In: calls of Serve's and of callers of links. Out: stats. What Serve calls is async: it then runs on
the replica's event loop.
"""

from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import aclosing
from typing import Any, Protocol

from cluster.logs.process_log import LoggedReplica, configure_logging
from cluster.logs.readings import log_readings
from cluster.metrics.replica_metrics import NamedReport, ReplicaMetrics
from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.garbage_collection import collect_rarely
from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from deployments.clients.link.endpoint import LinkEndpoint
from deployments.clients.link.methods import Handlers
from deployments.clients.link.options import link_options
from deployments.clients.serve.link_address import node_address, replica_identity, replica_name
from deployments.contracts.links import LinkOffer, OpenLinkRequest
from deployments.model.process_health import ProcessHealth

_UNHEALTHY_LAG_S = 5.0


class _Closable(Protocol):
    async def close(self) -> None: ...


class LinkedReplica(LoggedReplica):
    """A base of replicas. Their constructors call `_begin`, set `_model`, and call `_serve`."""

    _model: _Closable

    def _begin(self, process: str = "model") -> Settings:
        """Prepares the process, before the model is loaded; `process` is its name in logs."""
        self._health = ProcessHealth(SystemClock())
        self._metrics = ReplicaMetrics(self._health.lag, log_readings)
        self._settings = Settings()
        configure_logging(self._settings, process)
        collect_rarely()
        return self._settings

    def _serve(self, id: str, methods: Handlers) -> None:
        """The model `id` is loaded; `methods` are what links may call."""
        self._id = id
        self._links = LinkEndpoint(id, methods, link_options(self._settings))
        self._metrics.add(self._readings)
        self._health.mark_ready()
        self._serving = True

    def _readings(self) -> Iterable[Reading]:
        """Figures of the model."""
        return ()

    async def report(self, name: str) -> NamedReport:
        return await self._metrics.report(name, replica_identity())

    async def open_link(
        self, request: OpenLinkRequest
    ) -> AsyncGenerator[LinkOffer | Problem, None]:
        """A link to this replica (deployments/clients/link), open as long as this call."""
        async with aclosing(self._links.offer(request, replica_name(), node_address())) as offers:
            async for offer in offers:
                yield offer

    async def check_health(self) -> None:
        """Raises RuntimeError when the event loop is far behind."""
        if self._health.lag() > _UNHEALTHY_LAG_S:
            raise RuntimeError(f"the event loop was {self._health.lag():.1f} s late")

    async def loop_lag(self) -> float:
        return self._health.lag()

    async def close(self) -> None:
        """Refuse new work and end the model; Serve has let open requests finish before."""
        self._serving = False
        self._health.stop()
        await self._links.close()
        await self._model.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this on the loop when it stops a replica, and awaits what it returns."""
        return self.close() if getattr(self, "_serving", False) else None
