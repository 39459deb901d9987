"""The application without tenancy, which `mobula bench path` measures beside the whole one."""

from pathlib import Path

import httpx
import pytest

from cluster.audit.trail import AuditTrail
from cluster.auth.credential_directory import CredentialDirectory
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from cluster.usage.ledger import Ledger
from deployments.cache.config import CacheConfig
from deployments.ingress import deployment, process_setup
from deployments.ingress.config import IngressConfig, ModelSettings
from deployments.ingress.tenant_services import TenantServices
from deployments.model.engines.echo import EchoEngine
from graphs.video import video_config
from load_tests.benchmarks.common.in_process_application import (
    InProcessStages,
    create_echo_model,
    start_application,
)
from load_tests.benchmarks.common.ingress_without_tenancy import (
    IngressWithoutTenancy,
    NoTenancy,
    open_args,
)

CHAT = {
    "model": "echo",
    "messages": [{"role": "user", "content": "one two"}],
    "temperature": 0,
}


async def test_the_application_without_tenancy_assembles_and_answers_chats(tmp_path: Path) -> None:
    settings, clock = Settings(home=tmp_path), SystemClock()
    tenancy = NoTenancy(settings)
    models = {"echo": create_echo_model("echo", EchoEngine(4))}
    video = video_config(open_args())

    async with start_application(settings, tenancy, models, clock, video) as application:
        transport = httpx.ASGITransport(application.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as client:
            client.headers["Authorization"] = "Bearer any"
            await application.caches.fingerprints.refresh()
            responses = [
                await client.post("/v1/chat/completions", json=CHAT | change)
                for change in ({}, {}, {"temperature": 1}, {"stream": True})
            ]

    assert [response.status_code for response in responses] == [200] * 4
    miss, hit = (response.headers["cache-status"] for response in responses[:2])
    assert "fwd=miss" in miss
    assert "hit" in hit
    assert responses[0].json()["choices"][0]["message"]["content"]


def test_it_replaces_only_what_tenant_services_have() -> None:
    replaced = {name for name in vars(NoTenancy) if not name.startswith("_")}

    parts = (TenantServices, CredentialDirectory, Ledger, AuditTrail)
    assert replaced <= {name for part in parts for name in vars(part)}


def test_the_deployment_has_it_in_place_of_tenant_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = InProcessStages({"echo": create_echo_model("echo", EchoEngine(4))})
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))
    monkeypatch.setattr(deployment, "ServeBackends", lambda *_, **__: stages)
    monkeypatch.setattr(deployment, "check_store_to_start", lambda *_: None)
    for name in ("configure_logging", "collect_rarely"):
        monkeypatch.setattr(process_setup, name, lambda *_: None)
    settings = ModelSettings("echo", {}, {}, {})
    config = IngressConfig(settings, CacheConfig(), video_config(open_args()))

    ingress = IngressWithoutTenancy({}, {}, [], [], config)

    assert isinstance(ingress._tenancy, NoTenancy)
