"""Joins the parts of an ingress replica, from the caller to the models.

Flows in: the tenant services and the backends. Flows out: the AppServices of `create_app`.
"""

from collections.abc import Callable, Mapping
from random import SystemRandom
from typing import Protocol

from cluster.balancing.replica_set import replica_set
from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.collections.generations import GenerationRepository
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings, process_environment
from cluster.runtime.version import VERSION
from cluster.storage.object_store import store_location
from deployments.batches.file_handler import FileBatchHandler
from deployments.batches.handler import BatchHandler
from deployments.batches.item_calls import ItemCalls
from deployments.batches.item_store import BatchItemStore
from deployments.batches.pacing import BatchPacer
from deployments.batches.services import BatchServices
from deployments.cache.metrics import cache_stats
from deployments.collections.reindex_handler import ReindexHandler
from deployments.collections.source_handler import IndexSourcesHandler
from deployments.content.moderation.moderator import moderator
from deployments.content.registry import ProviderRegistry
from deployments.contracts.audio import MediaReader
from deployments.contracts.cache import CacheStats, SharedTier
from deployments.contracts.classification import ServedClassifier
from deployments.contracts.documents import DocumentReader
from deployments.contracts.embedding import ServedEmbedder
from deployments.contracts.images import ImageReader
from deployments.contracts.moderation import RULES
from deployments.contracts.search import CollectionSearch
from deployments.contracts.text_analysis import TextAnalyzer
from deployments.contracts.text_generator import ServedModel
from deployments.files.store import FileStore
from deployments.guardrails.engine import Guardrails
from deployments.guardrails.figures import GuardrailFigures
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.audio import audio_services
from deployments.ingress.batches import OperationCaller
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.cluster_view import ClusterView
from deployments.ingress.collection_sources import TenantSources
from deployments.ingress.collections import collection_services
from deployments.ingress.config import IngressConfig
from deployments.ingress.directory_broadcast import REPORT as DIRECTORY
from deployments.ingress.document_calls import OwnersDocumentCalls
from deployments.ingress.documents import document_handler, document_services
from deployments.ingress.drain_status import DrainStatus
from deployments.ingress.http.app import OPERATION_OF
from deployments.ingress.http.serve_bypass import OpenRequests
from deployments.ingress.job_embedder import IngressJobEmbedder
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.model_names import ModelNames
from deployments.ingress.observability import Observability, ObservedParts
from deployments.ingress.operations import operations
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline
from deployments.ingress.pipeline.audio_pipeline import AudioPipeline
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.guarded_pipeline import (
    GuardedEmbeddingPipeline,
    GuardedPipeline,
    RequestGuards,
)
from deployments.ingress.pipeline.guardrail_models import GuardrailModels
from deployments.ingress.pipeline.image_inputs import ImageInputs
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.scaling import ScalingOverview, ServedDeployments
from deployments.ingress.services import AppServices
from deployments.ingress.similar_posts import SimilarPostFinder
from deployments.ingress.tenant_jobs import TenantJobs
from deployments.ingress.tenant_services import TenantServices
from deployments.ingress.vector_stores import index_files_handler
from deployments.jobs.store import JobStore
from deployments.privacy.handlers import EraseHandler, ExportHandler, PrivacyParts
from deployments.privacy.service import PrivacyServices
from deployments.providers.services import Providers
from deployments.video.services import media_services


class MediaStage(MediaReader, ImageReader, DocumentReader, Protocol):
    """Opens recordings, pictures and documents."""


class Backends(Protocol):
    """The deployments behind the ingress (deployments/clients/serve/backends.py)."""

    @property
    def models(self) -> Mapping[str, ServedModel]: ...

    @property
    def embedders(self) -> Mapping[str, ServedEmbedder]: ...

    @property
    def classifiers(self) -> Mapping[str, ServedClassifier]: ...

    @property
    def analyzer(self) -> TextAnalyzer | None: ...

    @property
    def media_reader(self) -> MediaStage | None: ...

    @property
    def collection_search(self) -> CollectionSearch | None: ...

    @property
    def shared(self) -> SharedTier | None: ...


def build_services(
    settings: Settings,
    clock: Clock,
    tenancy: TenantServices,
    backends: Backends,
    config: IngressConfig,
    cluster: ClusterView,
    access_log: Callable[[bytes], None],
    open_requests: OpenRequests | None = None,
) -> tuple[AppServices, CacheStack]:
    """Nothing is started here: the caches are to be started once the tenant services are.

    `open_requests` are those that the replica counts (None: nobody counts them).
    """
    directory, model_settings, peers = tenancy.directory, config.offer, cluster.peers
    tenancy.broadcast.peers = peers
    providers = Providers(config.providers, process_environment(), clock)
    texts = {**backends.models, **providers.models}
    embedders = {**backends.embedders, **providers.embedders}
    served = (texts, embedders, backends.classifiers)
    names = ModelNames(
        config.names, (RULES, *(id for ids in served for id in ids)), directory.settings_of
    )
    models = ModelRegistry(
        texts,
        clock,
        embedders,
        config.resilience,
        backends.classifiers,
        config.rerankers,
        names,
    )
    caches = CacheStack(
        config.cache,
        models,
        directory.secret_of,
        tenancy.invalidations,
        backends.shared,
        settings.home,
        clock,
        settings.max_timeout_s,
    )
    recorder = UsageRecorder(tenancy.ledger, TokenEstimator(model_settings.output_caps))
    admission = AdmissionControl(tenancy.limiter, tenancy.trail, clock)
    findings = GuardrailFigures()
    guards = _request_guards(config, models, admission, findings)
    images = ImageInputs(models, backends.media_reader)
    pipeline, embedding_pipeline = _pipelines(guards, models, recorder, caches, tenancy, images)
    observed = ObservedParts(
        tenancy,
        models,
        providers,
        caches,
        backends.shared,
        findings,
        open_requests or OpenRequests(),
    )
    observability = Observability(settings, config, clock, cluster, observed)
    exporter, loop_lag = observability.exporter, observability.loop_lag
    export = None if exporter is None else exporter.export
    media = media_services(settings, config.video, tenancy, clock, export)
    store = media.jobs if media is not None else JobStore(tenancy.database, clock, SystemRandom())
    tenant_jobs = TenantJobs(store, tenancy.replica, clock)
    items = BatchItemStore(directory.secret_of)
    links = None if media is None else media.links
    objects = media.files if media is not None else _tenant_files(settings, config, tenancy, clock)
    files = FileStore(tenancy.database, objects, clock)
    batches = BatchServices(tenancy.database, store, items, files, tenant_jobs.wake, OPERATION_OF)
    collections = collection_services(
        tenancy.database,
        tenancy.collection_limits,
        embedding_pipeline,
        tenancy.ledger,
        clock,
        store,
        tenant_jobs.wake,
        backends.collection_search,
    )
    documents = document_services(
        settings,
        config.media,
        tenancy,
        files,
        objects,
        store,
        models,
        collections,
        backends.media_reader,
        tenant_jobs.wake,
        clock,
    )
    observability.add_source(documents.figures.read)
    scaling = ScalingOverview(
        ServedDeployments(config.deployments, config.scaling),
        cluster.serve_status,
        peers,
        clock,
        replica_statuses=lambda name: replica_set(name).statuses(),
        call_stats=models.resilience,
        open_calls=lambda: recorder.counters.open,
    )

    async def collect_cache_stats(tenant: str | None) -> CacheStats:
        reports = await peers.ask("report", "cache", tenant)
        return cache_stats(reports or [caches.report(tenant)], whole=tenant is None)

    async def start() -> None:
        observability.start()
        providers.start(models)
        if media is not None:
            await media.start()
        else:
            await objects.start()  # else Clipper replicas sweep
        await tenant_jobs.start()

    async def close() -> None:
        await tenant_jobs.close()
        await observability.close()
        if media is not None:
            await media.close()
        else:
            await objects.close()
        await caches.close()
        await recorder.settlements.close()
        await observability.close_tracing()
        await providers.close()

    services = AppServices(
        settings=settings,
        authenticator=directory,
        plan_of=directory.plan_of,
        admission=admission,
        models=models,
        model_pipeline=pipeline,
        embedding_pipeline=embedding_pipeline,
        analysis_pipeline=AnalysisPipeline(
            backends.analyzer, embedding_pipeline, tenancy.ledger, caches.analysis
        ),
        moderator=moderator(config.moderation),
        providers=ProviderRegistry(
            models.ids, model_settings.default_provider, model_settings.providers
        ),
        clock=clock,
        version=VERSION,
        access_log=access_log,
        admin=tenancy.administration,
        limit_status=tenancy.limit_status,
        idempotency=tenancy.idempotency,
        responses=tenancy.responses,
        rendered_responses=caches.rendered,
        cache_stats=collect_cache_stats,
        scaling=scaling,
        request_metrics=observability.request_metrics,
        scrape=observability.scrape,
        guardrails=None if guards is None else guards.guardrails,
        reports={
            "cache": caches.report,
            "scaling": scaling.report,
            "metrics": observability.scrape.report_own,
            "health": observability.health.report,
            "traces": observability.tracing.tracer.ring.find,
            DIRECTORY: tenancy.broadcast.refresh_own,
        },
        is_draining=DrainStatus().is_draining,
        media=media,
        loop_lag=loop_lag,
        load=lambda: {
            **pipeline.load(),
            **tenancy.load(),
            "loop_lag_s": round(loop_lag.worst(), 4),
        },
        start=start,
        close=close,
        policies=directory.policies,
        templates=tenancy.templates,
        similar_posts=SimilarPostFinder(
            tenancy.database, embedding_pipeline, lambda: models.embedder_ids
        ),
        health=observability.health,
        logs=observability.logs,
        tracing=observability.tracing,
        find_traces=observability.find_traces,
        batches=batches,
        privacy=PrivacyServices(store, links, tenant_jobs.wake),
        audio=audio_services(
            config.media,
            tenancy,
            objects,
            None if media is None else media.videos,
            store,
            AudioPipeline(backends.media_reader, tenancy.ledger, guards),
            clock,
        ),
        documents=documents,
        collections=collections,
    )
    caller = OperationCaller(services, operations(services), directory.caller_of)
    document_calls = OwnersDocumentCalls(services, tenancy.ledger, directory.caller_of)
    parts = PrivacyParts(
        tenancy.database,
        store,
        tenancy.trail,
        clock,
        directory.secret_of,
        settings.home / "scratch",
        objects,
    )
    pacer = BatchPacer(clock, lambda: admission.urgent)
    calls = ItemCalls(caller, clock, pacer)
    job_embedder = IngressJobEmbedder(services, collections.embedder, directory.caller_of, pacer)
    tenant_jobs.install(
        [
            BatchHandler(tenancy.database, items, calls, tenancy.ledger, clock),
            FileBatchHandler(
                tenancy.database,
                batches.file_batches,
                files,
                calls,
                tenancy.ledger,
                clock,
                pacer,
            ),
            ExportHandler(parts),
            EraseHandler(parts),
            document_handler(documents, document_calls, tenancy.ledger),
            index_files_handler(services, directory.caller_of),
            IndexSourcesHandler(
                tenancy.database,
                collections.collections,
                collections.points,
                TenantSources(tenancy.database, services.audio, directory.caller_of),
                job_embedder,
                tenancy.ledger,
            ),
            ReindexHandler(
                tenancy.database,
                GenerationRepository(clock),
                job_embedder,
                tenancy.ledger,
                clock,
            ),
        ]
    )
    return services, caches


def _tenant_files(
    settings: Settings, config: IngressConfig, tenancy: TenantServices, clock: Clock
) -> TenantFiles:
    """Where video is disabled; it has the store of video, whose quota counts them all."""
    store = BlobStore(store_location(config.video.store, settings.home))
    return TenantFiles(tenancy.database, store, clock, tenancy.directory.plan_of)


def _request_guards(
    config: IngressConfig,
    models: ModelRegistry,
    admission: AdmissionControl,
    findings: GuardrailFigures,
) -> RequestGuards | None:
    """None where no guardrail is configured: then there is nothing that checks."""
    if not config.guardrails.policies:
        return None
    guardrails = Guardrails(config.guardrails, GuardrailModels(models))
    return RequestGuards(guardrails, models, admission, findings)


def _pipelines(
    guards: RequestGuards | None,
    models: ModelRegistry,
    recorder: UsageRecorder,
    caches: CacheStack,
    tenancy: TenantServices,
    images: ImageInputs,
) -> tuple[ModelPipeline, EmbeddingPipeline]:
    if guards is None:
        pipeline = ModelPipeline(models, recorder, caches.responses, images)
        return pipeline, EmbeddingPipeline(models, tenancy.ledger)
    return (
        GuardedPipeline(guards, models, recorder, caches.responses, images),
        GuardedEmbeddingPipeline(guards, models, tenancy.ledger),
    )
