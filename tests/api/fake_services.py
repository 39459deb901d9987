"""The services of an application over fakes: no Ray, no sockets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cluster.runtime.clock import SystemClock
from cluster.tenants.plan import Plan
from deployments.content.registry import ProviderRegistry
from deployments.contracts.images import ImageReader
from deployments.contracts.limits import Limiter
from deployments.contracts.text_analysis import TextAnalyzer
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.analysis_pipeline import AnalysisPipeline
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.image_inputs import ImageInputs
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.services import AppServices
from deployments.limiter.unlimited import NullLimiter
from deployments.text.analyzer import ThreadedAnalyzer
from tests.api.fakes import LettersEmbedder, Records, WordsClassifier, WordsModel
from tests.api.web import FixedKeys, settings_of


@dataclass(frozen=True)
class Fakes:
    """What stands behind an application; `plan` is every tenant's."""

    model: WordsModel = field(default_factory=WordsModel)
    embedder: LettersEmbedder = field(default_factory=LettersEmbedder)
    cross_encoder: WordsClassifier = field(
        default_factory=lambda: WordsClassifier("cross", "relevance")
    )
    judge: WordsClassifier = field(
        default_factory=lambda: WordsClassifier("judge", "violence", "spam")
    )
    records: Records = field(default_factory=Records)
    plan: Plan = field(default_factory=lambda: Plan(id="default"))
    limiter: Limiter = field(default_factory=NullLimiter)
    analyzer: TextAnalyzer = field(default_factory=lambda: ThreadedAnalyzer(SystemClock()))
    image_reader: ImageReader | None = None


def services_over(
    fakes: Fakes, folder: Path, access_log: Callable[[bytes], object], **settings: object
) -> AppServices:
    """`folder` is the application's home."""
    clock = SystemClock()
    models = ModelRegistry(
        {"words": fakes.model},
        clock,
        {"letters": fakes.embedder},
        classifiers={"cross": fakes.cross_encoder, "judge": fakes.judge},
        rerankers=("cross",),
    )
    recorder = UsageRecorder(fakes.records, TokenEstimator({}))
    images = ImageInputs(models, fakes.image_reader)
    pipeline = ModelPipeline(models, recorder, images=images)
    embeddings = EmbeddingPipeline(models, fakes.records)
    return AppServices(
        settings=settings_of(folder, **settings),
        authenticator=FixedKeys(),
        plan_of=lambda _: fakes.plan,
        admission=AdmissionControl(fakes.limiter, fakes.records, clock),
        models=models,
        model_pipeline=pipeline,
        embedding_pipeline=embeddings,
        analysis_pipeline=AnalysisPipeline(fakes.analyzer, embeddings, fakes.records),
        providers=ProviderRegistry({"words"}, "words", {"house": "words"}),
        clock=clock,
        version="9.9.9",
        access_log=access_log,
        load=pipeline.load,
    )
