"""Another Mobula, for one to forward to: `python -m ...nano_server HOME PORT`.

In: a folder for its state. Out: at the port, nano by the transformers engine, nano by openvino,
which is held to schemas and tools, and MiniLM's embeddings. The first line of its output is a
tenant's key. It ends with its standard input.
"""

import asyncio
import socket
import sys
from pathlib import Path

import httpx

from cluster.auth.bootstrap import bootstrap
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.model.embeddings.serving import load_embedding_model
from deployments.model.embeddings.spec import EmbeddingSpec
from deployments.model.loading import load_text_model
from deployments.model.spec import ModelSpec
from load_tests.benchmarks.common.in_process_application import (
    InProcessModel,
    serve_over_http,
    start_application,
)
from load_tests.benchmarks.common.tenants import create_tenant

ENGINES = {"nano": "transformers", "nano-openvino": "openvino"}


async def serve(home: Path, port: int) -> None:
    settings, clock = Settings(home=home, log_level="ERROR"), SystemClock()
    admin_key = bootstrap(home, settings)
    assert admin_key is not None
    texts = {
        name: await load_text_model(ModelSpec(id=name, source="nano", engine=engine), home, clock)
        for name, engine in ENGINES.items()
    }
    vectors = await asyncio.to_thread(load_embedding_model, EmbeddingSpec(id="minilm"), home, clock)
    models = {name: InProcessModel(text) for name, text in texts.items()}
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    async with (
        start_application(
            settings, tenancy, models, clock,
            embedders={"minilm": vectors},
        ) as running,
        serve_over_http(running.app, socket.create_server(("127.0.0.1", port))) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as operator,
    ):  # fmt: skip
        print(await create_tenant(operator, admin_key, "upstream", {}), flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)
    for text in texts.values():
        await text.engine.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
