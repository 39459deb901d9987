"""One real cluster for the whole tier: Ray, Serve, HAProxy, HTTP, with the echo and nano models.

The tier runs twice: `fast` stands on what is embedded, `plain` runs behind the default Serve proxy
and stands on a Redis and a PostgreSQL. Without `--all`, only the tests marked `every_profile` run
with `plain`, and only the models that those call are served.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence

import httpx
import pytest

from cluster.ops.environment import PROFILES
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.otlp_receiver import OtlpReceiver
from tests.cluster.servers import production_servers

PROFILE = next(name for name in PROFILES if name == os.environ.get("MOBULA_TEST_PROFILE", "fast"))
SETTINGS = production_servers() if PROFILE == "plain" else {}
INGRESSES = 2
EVERY_PROFILE = ("echo", "slow")  # models of the tests that run with each profile
BY_HAND = {"max_replicas": 2, "policies": ["queue"], "target_requests": 1000, "cooldown_s": 1}

MODELS: list[dict[str, object]] = [
    {"id": "echo", "engine": "echo", "num_cpus": 0.1, "context_length": 65_536},
    {"id": "slow", "engine": "echo", "num_cpus": 0.1, "tokens_per_second": 20},
    {"id": "nano", "engine": "openvino", "num_cpus": 0.1},
    {"id": "elastic", "engine": "echo", "num_cpus": 0.1, "scaling": BY_HAND},
]

NAMES = {
    "gpt-4o-mini": "echo",
    "openai/*": "{}",
    "canary": {"weights": {"echo": 1, "slow": 1}},
}

COLLECTOR = OtlpReceiver()

# Sets the environment before any test module imports Ray.
LOCAL = LocalServe(
    profile=PROFILE,
    MOBULA_WEBHOOKS_PRIVATE_HOSTS="true",
    MOBULA_TRACE_RATIO="1",
    OTEL_EXPORTER_OTLP_ENDPOINT=COLLECTOR.url,
    OTEL_LOGS_EXPORTER="otlp",
    **SETTINGS,
)


def graph(served: Sequence[str]) -> dict[str, object]:
    """AppArgs of these models, with embeddings and video where all are served."""
    models = [model for model in MODELS if model["id"] in served]
    whole = len(models) == len(MODELS)
    more = {"embeddings": [{"id": "minilm", "num_cpus": 0.1}], "content": {"default": "nano"}}
    return {
        "models": models,
        "ingress": {"num_cpus": 0.1, "replicas": INGRESSES},
        "limiter": {"shards": 2},
        "names": {"aliases": NAMES},
        "video": {"num_cpus": 0.1, "replicas": 2, "gpu": False, "texts": True, "enabled": whole},
        "text": {"num_cpus": 0.1, "enabled": whole},
        "media": {"num_cpus": 0.1, "enabled": whole},
        **(more if whole else {}),
    }


@pytest.fixture(scope="session")
def served(request: pytest.FixtureRequest) -> list[str]:
    """The models: all, unless every test that runs is one of every profile."""
    chosen = request.session.items
    if all(item.get_closest_marker("every_profile") for item in chosen):
        return list(EVERY_PROFILE)
    return [*(str(model["id"]) for model in MODELS), "minilm"]


@pytest.fixture(scope="session")
def cluster(served: list[str]) -> Iterator[LocalServe]:
    with COLLECTOR, LOCAL as local:
        from graphs.app import build
        from graphs.args import AppArgs

        local.run(build(AppArgs.model_validate(graph(served))), "mobula", "/")
        yield local


@pytest.fixture
def collector() -> OtlpReceiver:
    """Where the cluster's spans and log records go."""
    return COLLECTOR


@pytest.fixture
async def client(cluster: LocalServe) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=30) as client:
        yield client
