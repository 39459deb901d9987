"""The whole application in this process, without Ray: models, limits and cache behind the ingress.

In: settings, models, a cache configuration. Out: an ASGI application that is started, and the
collaborators that a benchmark reads. It answers as a replica of the ingress does, except that no
call crosses a Serve handle.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from cluster.resilience.spec import ResilienceSpec
from cluster.runtime.clock import Clock, SystemClock
from cluster.runtime.settings import Settings
from deployments.cache.config import CacheConfig
from deployments.contracts.classification import ServedClassifier
from deployments.contracts.embedding import ServedEmbedder
from deployments.contracts.engine import Engine
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
)
from deployments.contracts.images import ImageReader
from deployments.contracts.scaling import ServeSnapshot
from deployments.contracts.text_analysis import TextAnalyzer
from deployments.contracts.text_generator import ModelCall, ServedModel
from deployments.guardrails.spec import GuardrailConfig
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.cluster_view import ClusterView
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.http.app import create_app
from deployments.ingress.names.spec import NameSettings
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_services import TenantServices
from deployments.ingress.wiring import build_services
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from deployments.providers.config import ProvidersConfig
from deployments.video.config import VideoConfig

MEMORY_BYTES = 1 << 24
CONTEXT_LENGTH = 8_192
SEQUENCES = 4_096


class InProcessModel:
    """A ServedModel whose text model is in this process."""

    def __init__(self, model: TextModel) -> None:
        self._model = model

    async def generate(self, request: GenerateRequest) -> Completion:
        return await self._model.generate(request)

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        return self._model.stream(request)

    def begin(self, request: GenerateRequest) -> ModelCall:
        return self._model.begin(request)

    async def card(self) -> ModelCard:
        return self._model.card()

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass
class InProcessStages:
    """What stands behind the ingress: models in this process, no shared cache, no peers."""

    models: Mapping[str, ServedModel]
    embedders: Mapping[str, ServedEmbedder] = field(default_factory=dict)
    classifiers: Mapping[str, ServedClassifier] = field(default_factory=dict)
    shared: None = None
    analyzer: TextAnalyzer | None = None
    media_reader: Any = None
    collection_search: Any = None

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        return []

    last_status = None

    async def status(self) -> ServeSnapshot | None:
        return None

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        return {}

    async def count_answers(self, deployment: str) -> int:
        return 0


@dataclass(frozen=True)
class InProcessApplication:
    app: ASGIApp
    services: AppServices
    caches: CacheStack


def create_echo_model(name: str, engine: Engine) -> InProcessModel:
    """A text model of this name over `engine`, which takes bytes for tokens."""
    card = ModelCard(name, "echo", "echo", "echo-1", CONTEXT_LENGTH, 0)
    limits = Limits(CONTEXT_LENGTH, max_running=SEQUENCES, max_waiting=SEQUENCES)
    return InProcessModel(TextModel(engine, ByteTokenizer(), card, limits, SystemClock()))


@asynccontextmanager
async def start_application(
    settings: Settings,
    tenancy: TenantServices,
    models: Mapping[str, ServedModel],
    clock: Clock,
    video: VideoConfig | None = None,
    proxy_token: str | None = None,
    providers: ProvidersConfig | None = None,
    resilience: Mapping[str, ResilienceSpec] | None = None,
    embedders: Mapping[str, ServedEmbedder] | None = None,
    guardrails: GuardrailConfig | None = None,
    names: NameSettings | None = None,
    access_log: Callable[[bytes], None] = lambda _: None,
    analyzer: TextAnalyzer | None = None,
    image_reader: ImageReader | None = None,
) -> AsyncIterator[InProcessApplication]:
    """The first model is the default one, or the first of `providers` where there is none in this
    process. Everything is closed at the end. `proxy_token` is that of HAProxy, if requests are to
    come from it. `resilience` is by model. `analyzer` analyses texts, `image_reader` reads pictures
    (None: nobody does)."""
    stages = InProcessStages(models, embedders or {}, analyzer=analyzer, media_reader=image_reader)
    external = ProvidersConfig() if providers is None else providers
    ids = [*models, *(str(model["id"]) for model in external.models)]
    config = IngressConfig(
        ModelSettings(ids[0], {}, {}, {}),
        CacheConfig(memory_bytes=MEMORY_BYTES),
        video or VideoConfig(),
        resilience or {},
        providers=external,
        guardrails=guardrails or GuardrailConfig(),
        names=names or NameSettings(),
    )
    services, caches = build_services(
        settings, clock, tenancy, stages, config, ClusterView(stages, stages), access_log
    )
    await tenancy.start()
    await caches.start()
    if external.models or external.embeddings:
        await services.start()
    try:
        app = create_app(services, proxy_token=proxy_token)
        yield InProcessApplication(app, services, caches)
    finally:
        await services.close()
        await tenancy.close()


@asynccontextmanager
async def serve_over_http(
    app: ASGIApp, listener: socket.socket | None = None
) -> AsyncIterator[str]:
    """The URL at which uvicorn serves the application; `listener` is a socket that listens."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", backlog=4096, timeout_keep_alive=300
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
