"""The application without tenancy, which `mobula bench path` measures beside the whole one."""

from collections import defaultdict
from pathlib import Path

import httpx

from cluster.clock import SystemClock
from cluster.settings import Settings
from deployments.ingress.app import create_app
from deployments.ingress.assembly import assemble
from deployments.ingress.config import IngressConfig
from graphs.cache import cache_config
from graphs.text import offer
from graphs.video import video_config
from load_tests.benchmarks.common.ingress_without_tenancy import OpenTenancy, open_args
from load_tests.benchmarks.limits.ledger_application import Generated, Stages, _model


async def test_the_application_without_tenancy_assembles_and_answers_a_chat(tmp_path: Path) -> None:
    settings, clock, args = Settings(home=tmp_path), SystemClock(), open_args()
    config = IngressConfig(offer(args), cache_config(args.cache, 1), video_config(args))
    stages = Stages({"echo": _model("echo", None, defaultdict(Generated))})
    tenancy = OpenTenancy(settings, config.offer, clock)

    services, caches = assemble(
        settings, clock, tenancy, stages, config, stages, stages, lambda _: None
    )
    await caches.start()
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as client:
        answer = await client.post(
            "/v1/chat/completions",
            headers={"Authorization": "Bearer any"},
            json={"model": "echo", "messages": [{"role": "user", "content": "one two"}]},
        )
    await services.close()

    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
