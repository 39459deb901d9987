"""One real cluster for the whole tier: Ray, Serve, HAProxy, HTTP, with the echo and nano models.

The tier runs twice: `fast` stands on what is embedded, `plain` runs behind the default Serve proxy
and stands on a Redis and a PostgreSQL. Without `--all`, only the tests marked `every_profile` run
with `plain`.
"""

import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from cluster.ops.environment import PROFILES
from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.servers import production_servers

PROFILE = next(name for name in PROFILES if name == os.environ.get("MOBULA_TEST_PROFILE", "fast"))
SETTINGS = production_servers() if PROFILE == "plain" else {}
INGRESSES = 2
BY_HAND = {"max_replicas": 2, "policies": ["queue"], "target_requests": 1000, "cooldown_s": 1}

# Sets the environment before any test module imports Ray.
LOCAL = LocalServe(profile=PROFILE, MOBULA_WEBHOOKS_PRIVATE_HOSTS="true", **SETTINGS)


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalServe]:
    with LOCAL as local:
        from graphs.app import build
        from graphs.args import AppArgs

        models = [
            {"id": "echo", "engine": "echo", "num_cpus": 0.1},
            {"id": "slow", "engine": "echo", "num_cpus": 0.1, "tokens_per_second": 20},
            {"id": "nano", "engine": "openvino", "num_cpus": 0.1},
            {"id": "elastic", "engine": "echo", "num_cpus": 0.1, "scaling": BY_HAND},
        ]
        args = AppArgs.model_validate(
            {
                "models": models,
                "embeddings": [{"id": "minilm", "num_cpus": 0.1}],
                "content": {"default": "nano"},
                "ingress": {"num_cpus": 0.1, "replicas": INGRESSES},
                "video": {"num_cpus": 0.1, "replicas": 2, "gpu": False, "texts": True},
            }
        )
        local.run(build(args), "mobula", "/")
        yield local


@pytest.fixture
async def client(cluster: LocalServe) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    async with httpx.AsyncClient(base_url=cluster.url, headers=headers, timeout=30) as client:
        yield client
