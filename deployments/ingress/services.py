"""What the web application is built on; Serve's replica or a test makes it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from cluster.administration import Administration
from cluster.idempotency.store import IdempotencyStore
from cluster.responses.store import ResponseStore
from cluster.runtime.clock import Clock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from cluster.storage.database import DatabaseUnavailable
from cluster.templates.directory import TemplateDirectory
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from cluster.tracing.span import RecordedTrace
from deployments.batches.services import BatchServices
from deployments.content.moderation.moderator import Moderator, moderator
from deployments.content.registry import ProviderRegistry
from deployments.contracts.cache import CacheStats
from deployments.contracts.moderation import ModerationConfig
from deployments.guardrails.engine import Guardrails
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.audio import AudioServices
from deployments.ingress.collections import CollectionServices
from deployments.ingress.documents import DocumentServices
from deployments.ingress.drain_status import Server
from deployments.ingress.health.overview import HealthOverview
from deployments.ingress.http.request_metrics import RequestMetrics
from deployments.ingress.metrics.scrape import MetricsScrape
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.fast_path import RenderedResponses
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.process_logs import ProcessLogs
from deployments.ingress.scaling import ScalingOverview
from deployments.ingress.similar_posts import SimilarPostFinder
from deployments.ingress.tracing.request_tracing import RequestTracing
from deployments.limiter.status import LimitStatus
from deployments.privacy.service import PrivacyServices
from deployments.video.services import MediaServices


async def _is_not_draining(server: Server, host: str) -> bool:
    return False


async def _do_nothing() -> None: ...


class Authenticator(Protocol):
    """Resolves a credential to its caller; raises Unauthenticated."""

    def verify(self, credential: str) -> Caller: ...


class LimitStatusSource(Protocol):
    """How the limits of a tenant, and of some policies of its keys, stand."""

    async def __call__(
        self, tenant: str, policies: CallerPolicies | None = None
    ) -> list[LimitStatus]: ...


@dataclass(frozen=True)
class AppServices:
    """The collaborators of `create_app`.

    `plan_of` gives the plan that a tenant is on now. `providers` are the names of models under
    which content may be requested. `access_log` takes one JSON line a request; `load` reports this
    replica's own counters for `/health`; `moderator` judges by rules; `limit_status` says how a
    tenant's limits stand, `cache_stats` how the cache does for a tenant (None: for all tenants
    together). `responses` stores those that may be continued (None: none). `rendered_responses` is
    where the fast path finds responses (None: no memory tier). `media` is behind videos, jobs and
    files (None: off). `scaling` says how the cluster scales; `reports` are this replica's own
    reports by name, for its peers. `request_metrics` counts this replica's HTTP requests, `scrape`
    asks all replicas for their figures. `guardrails` are the policies that the pipelines apply
    (None: none are configured).
    `loop_lag` measures how late this replica's event loop runs, once it is started. `is_draining`
    says whether the server that a request came in by, for a Host, is to stop. `start` begins what
    works in the background, after the tenant services and the caches. `close` ends it, and waits
    for usage that is still to be recorded: call it before the tenant services are closed.
    `policies` are those of the keys that have any, by key id.
    `templates` are the prompt templates of the tenants, `similar_posts` finds posts of the library
    that are like another one (None: no store). `health` says how the
    dependencies are (None: nobody checks them). `logs` are those of every process (None: the
    others cannot be reached). `tracing` records traces of requests; `find_traces` finds those of a
    request id or trace id, of a tenant or of all (None), on all replicas (None: on this one).
    `batches` is behind batches of operations, `privacy` behind exports and erasures (None: no
    store), `audio` behind recordings of requests (None: off), `documents` behind documents,
    `collections` behind collections and what searches them (None: no store).
    """

    settings: Settings
    authenticator: Authenticator
    plan_of: Callable[[str], Plan]
    admission: AdmissionControl
    models: ModelRegistry
    model_pipeline: ModelPipeline
    embedding_pipeline: EmbeddingPipeline
    analysis_pipeline: AnalysisPipeline
    providers: ProviderRegistry
    clock: Clock
    version: str
    access_log: Callable[[bytes], None]
    load: Callable[[], Mapping[str, Any]] = dict
    moderator: Moderator = field(default_factory=partial(moderator, ModerationConfig()))
    admin: Administration | None = None
    limit_status: LimitStatusSource | None = None
    idempotency: IdempotencyStore | None = None
    responses: ResponseStore | None = None
    rendered_responses: RenderedResponses | None = None
    media: MediaServices | None = None
    cache_stats: Callable[[str | None], Awaitable[CacheStats]] | None = None
    scaling: ScalingOverview | None = None
    reports: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    request_metrics: RequestMetrics = field(default_factory=RequestMetrics)
    scrape: MetricsScrape = field(default_factory=MetricsScrape)
    guardrails: Guardrails | None = None
    loop_lag: LoopLag = field(default_factory=LoopLag)
    is_draining: Callable[[Server, str], Awaitable[bool]] = _is_not_draining
    start: Callable[[], Awaitable[None]] = _do_nothing
    close: Callable[[], Awaitable[None]] = _do_nothing
    policies: Mapping[str, CallerPolicies] = field(default_factory=dict)
    templates: TemplateDirectory | None = None
    health: HealthOverview | None = None
    logs: ProcessLogs | None = None
    tracing: RequestTracing = field(default_factory=RequestTracing)
    similar_posts: SimilarPostFinder | None = None
    find_traces: Callable[[str, str | None], Awaitable[Sequence[RecordedTrace]]] | None = None
    batches: BatchServices | None = None
    privacy: PrivacyServices | None = None
    audio: AudioServices | None = None
    documents: DocumentServices | None = None
    collections: CollectionServices | None = None

    def administration(self) -> Administration:
        """Raises DatabaseUnavailable where there is no store."""
        if self.admin is None:
            raise DatabaseUnavailable
        return self.admin
