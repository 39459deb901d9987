"""Everything the web app stands on, handed to it by whoever starts it (Serve, or a test)."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.administration import Administration
from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.clock import Clock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from cluster.storage.database import DatabaseUnavailable
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from deployments.content.registry import ProviderRegistry
from deployments.contracts.cache import CacheStats
from deployments.contracts.embedding import Embedder
from deployments.contracts.generation import TextGenerator
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.drain_status import Server
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.scaling import ScalingOverview
from deployments.limiter.status import LimitStatus
from deployments.video.services import MediaServices


async def _none(models: Collection[str]) -> Collection[str]:
    return ()


async def _staying(server: Server, host: str) -> bool:
    return False


async def _at_once() -> None: ...


class Authenticator(Protocol):
    """Resolves a credential to its caller; raises Unauthenticated."""

    def verify(self, presented: str) -> Caller: ...


@dataclass(frozen=True)
class AppServices:
    """The collaborators of `create_app`.

    `plan_of` gives the plan that a tenant is on now; `gate` lets its calls in.
    `path` is the request path as a Generator: what operations call to get text; `embeddings` is
    that of embeddings.
    `providers` are the names under which content may be asked for. `access_log` takes
    one JSON line a request; `load` reports this replica's own figures for `/health`;
    `limits_view` says how a tenant's limits stand, `cache_stats` how the cache does for a tenant
    (None: for all of them). `record_kept` enters a request for a model that was answered from
    `cache` without it. `media` is what stands behind videos, jobs and files (None: off). `scaling`
    says how the cluster scales; `reports` are this replica's own figures by name, for its peers.
    `loop_lag` measures how late this replica's event loop runs, once the application is made.
    `leaving` says whether the server that a request came in by, to a Host, has been told to go;
    `removed` which of these models the cluster no longer has. `close` ends what works in the
    background, and waits for usage that is still to be recorded: before the tenancy is closed.
    """

    settings: Settings
    authenticator: Authenticator
    plan_of: Callable[[str], Plan]
    gate: AdmissionControl
    models: ModelRegistry
    path: TextGenerator
    embeddings: Embedder
    providers: ProviderRegistry
    clock: Clock
    version: str
    access_log: Callable[[bytes], None]
    load: Callable[[], Mapping[str, Any]] = dict
    office: Administration | None = None
    limits_view: Callable[[str], Awaitable[list[LimitStatus]]] | None = None
    idempotency: IdempotencyStore | None = None
    cache: CacheStack | None = None
    record_kept: Callable[[Caller, Plan, str], None] = lambda *_: None
    media: MediaServices | None = None
    cache_stats: Callable[[str | None], Awaitable[CacheStats]] | None = None
    scaling: ScalingOverview | None = None
    reports: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    loop_lag: LoopLag = field(default_factory=LoopLag)
    leaving: Callable[[Server, str], Awaitable[bool]] = _staying
    removed: Callable[[Collection[str]], Awaitable[Collection[str]]] = _none
    close: Callable[[], Awaitable[None]] = _at_once

    def administration(self) -> Administration:
        """Raises StoreDown where there is no store."""
        if self.office is None:
            raise DatabaseUnavailable
        return self.office
