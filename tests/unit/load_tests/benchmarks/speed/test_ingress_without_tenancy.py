"""The application without tenancy, which `mobula bench path` measures beside the whole one."""

from pathlib import Path

import httpx

from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.ingress.model_settings import ModelSettings
from deployments.model.engines.echo import EchoEngine
from graphs.video import video_config
from load_tests.benchmarks.common.in_process_application import create_echo_model, start_application
from load_tests.benchmarks.common.ingress_without_tenancy import OpenTenancy, open_args


async def test_the_application_without_tenancy_assembles_and_answers_a_chat(tmp_path: Path) -> None:
    settings, clock = Settings(home=tmp_path), SystemClock()
    tenancy = OpenTenancy(settings, ModelSettings("echo", {}, {}, {}), clock)
    models = {"echo": create_echo_model("echo", EchoEngine(4))}
    video = video_config(open_args())

    async with start_application(settings, tenancy, models, clock, video) as application:
        transport = httpx.ASGITransport(application.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as client:
            answer = await client.post(
                "/v1/chat/completions",
                headers={"Authorization": "Bearer any"},
                json={"model": "echo", "messages": [{"role": "user", "content": "one two"}]},
            )

    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
