"""Prints the API's description: `python -m deployments.ingress > docs/openapi.json`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import orjson
from pydantic import SecretStr

from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.cache.config import OFF
from deployments.contracts.classification import ServedClassifier
from deployments.contracts.embedding import ServedEmbedder
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import ServeSnapshot
from deployments.contracts.text_generator import ServedModel
from deployments.ingress.cluster_view import ClusterView
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.http.app import create_api
from deployments.ingress.operations import operations
from deployments.ingress.tenant_services import TenantServices
from deployments.ingress.wiring import build_services
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.video.config import VideoConfig


class StubBackends:
    """The backends of an ingress, by name only."""

    models: Mapping[str, ServedModel] = {"nano": cast("ServedModel", None)}
    embedders: Mapping[str, ServedEmbedder] = {}
    classifiers: Mapping[str, ServedClassifier] = {}
    analyzer = media_reader = collection_search = shared = last_status = None

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        return []

    async def status(self) -> ServeSnapshot | None:
        return None

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        return {}

    async def count_answers(self, deployment: str) -> int:
        return 0


def description(home: Path) -> bytes:
    """The OpenAPI document. Nothing is started and no model is called."""
    clock = SystemClock()
    settings = Settings(home=home, pepper=SecretStr("described, never served " * 2))
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    stub = StubBackends()
    config = IngressConfig(ModelSettings("nano", {}, {}, {}), OFF, VideoConfig())
    services, _ = build_services(
        settings, clock, tenancy, stub, config, ClusterView(stub, stub), lambda _: None
    )
    api = create_api(services, operations(services))
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(api.openapi(), option=options)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        sys.stdout.buffer.write(description(Path(folder)))
