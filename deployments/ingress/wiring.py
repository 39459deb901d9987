"""Joins the parts of an ingress replica: what stands where between a caller and a model.

Flows in: the tenants' side and the models' side. Flows out: the Services of `create_app`.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from cluster.balancing.replica_set import replica_set
from cluster.runtime.clock import Clock
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.settings import Settings
from cluster.runtime.version import VERSION
from deployments.cache.metrics import cache_stats
from deployments.content.registry import ProviderRegistry
from deployments.contracts.cache import CacheStats, SharedTier
from deployments.contracts.embedding import ServedEmbedder
from deployments.contracts.generation import ServedModel
from deployments.contracts.scaling import DeploymentStatusSource
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.config import IngressConfig
from deployments.ingress.drain_status import DrainStatus
from deployments.ingress.media import media_services
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.removed_models import RemovedModels
from deployments.ingress.scaling import Peers, ScalingOverview, ServedDeployments
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_services import TenantServices


class Backends(Protocol):
    """What lies behind the ingress (deployments/clients/serve/backends.py)."""

    @property
    def models(self) -> Mapping[str, ServedModel]: ...

    @property
    def embedders(self) -> Mapping[str, ServedEmbedder]: ...

    @property
    def shared(self) -> SharedTier | None: ...


def build_services(
    settings: Settings,
    clock: Clock,
    tenancy: TenantServices,
    stages: Backends,
    config: IngressConfig,
    peers: Peers,
    overseer: DeploymentStatusSource,
    access_log: Callable[[bytes], None],
) -> tuple[AppServices, CacheStack]:
    """Nothing is started here: the caches are to be, once the tenancy is."""
    offer = config.offer
    models = ModelRegistry(stages.models, clock, stages.embedders, config.resilience)
    news, shared = tenancy.invalidations, stages.shared
    caches = CacheStack(
        config.cache,
        models,
        tenancy.secret_of,
        news,
        shared,
        settings.home,
        clock,
        settings.max_timeout_s,
    )
    estimates = TokenEstimator(offer.output_caps)
    path = ModelPipeline(models, tenancy.plan_of, estimates, tenancy, caches.responses)
    generators = dict.fromkeys(models.ids, path)

    async def stats(tenant: str | None) -> CacheStats:
        reports = await peers.ask("report", "cache", tenant)
        return cache_stats(reports or [caches.report(tenant)], whole=tenant is None)

    async def close() -> None:
        lag.stop()
        if services.media is not None:
            await services.media.close()
        await caches.close()
        await path.settlements.close()

    scaling = ScalingOverview(
        ServedDeployments(config.deployments, config.scaling),
        overseer,
        peers,
        clock,
        standings=lambda name: replica_set(name).statuses(),
        calls=models.resilience,
        open_calls=lambda: path.tally.open,
    )
    lag = LoopLag()
    services = AppServices(
        settings=settings,
        authenticator=tenancy,
        plan_of=tenancy.plan_of,
        gate=AdmissionControl(tenancy.limiter, tenancy.plan_of, tenancy.trail, clock),
        models=models,
        path=path,
        embeddings=EmbeddingPipeline(models, tenancy.plan_of, tenancy),
        providers=ProviderRegistry(generators, offer.default_provider, offer.providers),
        clock=clock,
        version=VERSION,
        access_log=access_log,
        office=tenancy.office,
        limits_view=tenancy.limits_view,
        idempotency=tenancy.idempotency,
        cache=caches if caches.responses is not None else None,
        record_kept=path.record_cache_hit,
        cache_stats=stats,
        scaling=scaling,
        reports={"cache": caches.report, "scaling": scaling.report},
        leaving=DrainStatus().is_draining,
        removed=RemovedModels(overseer, config.deployments).filter_removed,
        media=media_services(settings, config.video, tenancy, clock),
        loop_lag=lag,
        load=lambda: {**path.load(), **tenancy.load(), "loop_lag_s": round(lag.worst(), 4)},
        close=close,
    )
    return services, caches
