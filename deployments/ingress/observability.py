"""What a replica of the ingress shows of itself and the cluster: metrics, traces, logs, health.

In: the parts that are watched. Out: the figures of a scrape, recorded traces, the logs of all
processes, the state of dependencies. `start` it once the tenant services are.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from cluster.balancing.replica_set import replica_set
from cluster.health.checks.collector import CollectorCheck
from cluster.logs.readings import log_readings
from cluster.metrics.catalogue.scrape import MISSING
from cluster.metrics.replica_metrics import common_sources
from cluster.metrics.series import Counter, MetricSet, Source
from cluster.runtime.clock import Clock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from cluster.tracing.configured_exporter import configured_exporter
from cluster.tracing.span import RecordedTrace
from cluster.tracing.tracer import Tracer
from deployments.contracts.cache import SharedTier
from deployments.guardrails.figures import GuardrailFigures
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.cluster_view import ClusterView
from deployments.ingress.config import IngressConfig
from deployments.ingress.health.dependencies import CheckedParts, DependencyCatalogue
from deployments.ingress.health.overview import HealthOverview
from deployments.ingress.http.request_metrics import RequestMetrics
from deployments.ingress.http.serve_bypass import OpenRequests
from deployments.ingress.metrics.cache_readings import cache_readings
from deployments.ingress.metrics.expiry_readings import expiry_source
from deployments.ingress.metrics.health_readings import health_readings
from deployments.ingress.metrics.model_readings import (
    balancing_readings,
    model_readings,
    provider_readings,
)
from deployments.ingress.metrics.replica_deaths import ReplicaDeaths
from deployments.ingress.metrics.scrape import MetricsScrape
from deployments.ingress.metrics.store_readings import StoreReadings
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.process_logs import ProcessLogs
from deployments.ingress.tenant_services import TenantServices
from deployments.ingress.tracing.request_tracing import RequestTracing
from deployments.providers.services import Providers


@dataclass(frozen=True, slots=True)
class ObservedParts:
    """`shared` is the cache's second tier (None: off), `open_requests` are those that the replica
    counts."""

    tenancy: TenantServices
    models: ModelRegistry
    providers: Providers
    caches: CacheStack
    shared: SharedTier | None
    findings: GuardrailFigures
    open_requests: OpenRequests


class Observability:
    """`close` it before the parts that it watches."""

    def __init__(
        self,
        settings: Settings,
        config: IngressConfig,
        clock: Clock,
        cluster: ClusterView,
        parts: ObservedParts,
    ) -> None:
        tenancy, self._peers, self._clock = parts.tenancy, cluster.peers, clock
        self.exporter = exporter = configured_exporter("ingress")
        self.loop_lag = LoopLag()
        self.logs = ProcessLogs(cluster.replicas or cluster.peers)
        self._deaths = ReplicaDeaths(cluster.serve_status)
        checked = CheckedParts(
            settings,
            config,
            clock,
            tenancy,
            parts.shared,
            parts.models,
            self._deaths,
            cluster.gcs_address,
            None if exporter is None else CollectorCheck(exporter.target.url, exporter, clock),
        )
        dependencies = DependencyCatalogue(checked)
        self.health = HealthOverview(dependencies, self._peers, tenancy.bus, tenancy.replica)
        tracer = Tracer(settings.trace_ratio, settings.trace_slow_s, exporter)
        self.tracing = RequestTracing(tracer, clock, settings.trusted_proxies)
        self.request_metrics = RequestMetrics()
        self.tracing.exemplify = self.request_metrics.exemplify
        self._store = StoreReadings(tenancy.database, clock)
        missing = Counter(MISSING)
        self._counted = metrics = self._metrics(settings, config, cluster, parts, missing)
        self.scrape = MetricsScrape(metrics.report, cluster.metrics, clock, missing)

    def _metrics(
        self,
        settings: Settings,
        config: IngressConfig,
        cluster: ClusterView,
        parts: ObservedParts,
        missing: Counter,
    ) -> MetricSet:
        tenancy, models, clock, exporter = parts.tenancy, parts.models, self._clock, self.exporter
        return MetricSet(
            lambda: self.request_metrics.read(parts.open_requests.count),
            lambda: cache_readings(parts.caches.report(None)),
            lambda: model_readings(models.resilience()),
            lambda: balancing_readings(config.deployments, replica_set),
            lambda: provider_readings(parts.providers.models, clock.monotonic()),
            parts.findings.read_metrics,
            self.tracing.read_metrics,
            *(() if exporter is None else (exporter.read_metrics,)),
            tenancy.read_metrics,
            missing.read,
            self._deaths.read,
            self._store.read,
            lambda: health_readings(self.health.runner.figures(), clock.wall()),
            log_readings,
            expiry_source(settings.tls_cert_file, tenancy.directory.operator_key_expiry),
            *common_sources(lambda: cluster.metrics.deployment, self.loop_lag.worst, settings),
        )

    def add_source(self, source: Source) -> None:
        """Expose what another part counts."""
        self._counted.add(source)

    def start(self) -> None:
        self.loop_lag.start()
        self.logs.start()
        self.health.start()
        self._store.start()

    async def close(self) -> None:
        self.loop_lag.stop()
        await self._store.close()
        await self.health.close()
        await self.logs.close()

    async def close_tracing(self) -> None:
        """Send what is queued; once no request is left."""
        await asyncio.to_thread(self.tracing.tracer.close)

    async def find_traces(self, id: str, tenant: str | None) -> Sequence[RecordedTrace]:
        """Those of a request id or trace id, on every ingress replica."""
        found = await self._peers.ask("report", "traces", id, tenant)
        return [*chain.from_iterable(found or [self.tracing.tracer.ring.find(id, tenant)])]
