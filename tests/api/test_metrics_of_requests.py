"""`/metrics` of the whole application: what was asked and generated is there."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.auth.bootstrap import bootstrap
from cluster.metrics.catalogue import CATALOGUE
from cluster.metrics.exposition import OPENMETRICS, TEXT
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.model.engines.echo import EchoEngine
from load_tests.benchmarks.common.in_process_application import create_echo_model, start_application
from load_tests.benchmarks.common.tenants import create_tenant
from load_tests.benchmarks.speed.observed.strangers import send_strangers
from tests.servers.stores import migrated_home

CHAT = "/v1/chat/completions"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class ObservedApplication:
    """The application with tenancy and the memory cache; `tenant` may generate."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        tenancy: TenantServices,
        services: AppServices,
        admin: str,
        tenant: str,
    ) -> None:
        self.http = http
        self.services = services
        self._tenancy = tenancy
        self._admin, self._tenant = admin, tenant

    async def chat(self, prompt: str, **fields: object) -> httpx.Response:
        body = {"model": "echo", "messages": [{"role": "user", "content": prompt}], **fields}
        headers = {"authorization": f"Bearer {self._tenant}"}
        return await self.http.post(CHAT, json=body, headers=headers)

    async def scrape(self, accept: str = "") -> httpx.Response:
        await self._tenancy.ledger.flush()
        headers = {"authorization": f"Bearer {self._admin}", "accept": accept}
        return (await self.http.get("/metrics", headers=headers)).raise_for_status()

    async def series(self) -> Series:
        text = (await self.scrape()).text
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
async def observed(tmp_path: Path) -> AsyncIterator[ObservedApplication]:
    settings, clock = Settings(home=tmp_path, log_level="ERROR"), SystemClock()
    admin = bootstrap(migrated_home(tmp_path), settings)
    assert admin is not None
    tenancy = TenantServices(settings, MemoryAuthority(clock), {}, clock)
    models = {"echo": create_echo_model("echo", EchoEngine(4))}
    async with start_application(settings, tenancy, models, clock) as application:
        transport = httpx.ASGITransport(application.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mobula") as http:
            tenant = await create_tenant(http, admin, "seen", {})
            yield ObservedApplication(http, tenancy, application.services, admin, tenant)


def value(series: Series, name: str, **labels: str) -> float:
    return series.get((name, frozenset(labels.items())), 0)


async def test_the_fast_path_is_counted_like_every_other(observed: ObservedApplication) -> None:
    before = await observed.series()
    answers = [await observed.chat("the same", temperature=0) for _ in range(3)]
    assert "hit" in answers[2].headers["cache-status"]
    series = await observed.series()

    labels = {"route": CHAT, "method": "POST", "code": "200"}
    kind = {"route": CHAT, "kind": "unary"}
    assert value(series, "mobula_http_requests_total", **labels) == 3
    assert value(series, "mobula_http_request_duration_seconds_count", **kind) == 3
    size = sum(len(answer.content) for answer in answers)
    assert value(series, "mobula_http_response_bytes_total", route=CHAT) == size
    seen = {"tenant": "seen", "outcome": "ok"}
    ok = value(series, "mobula_tenant_requests_total", **seen)
    assert ok - value(before, "mobula_tenant_requests_total", **seen) == 3
    assert value(series, "mobula_cache_hits_total", tier="l1") == 2


async def test_tokens_are_those_of_the_ledger(observed: ObservedApplication) -> None:
    usage = [(await observed.chat(f"number {n}")).json()["usage"] for n in range(3)]
    series = await observed.series()

    for direction, field in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        total = sum(each[field] for each in usage)
        assert total > 0
        for owner in ({"tenant": "seen"}, {"model": "echo"}):
            name = "mobula_tenant_tokens_total" if "tenant" in owner else "mobula_tokens_total"
            assert value(series, name, direction=direction, **owner) == total


async def test_strangers_mint_no_series(observed: ObservedApplication) -> None:
    for number in range(20):
        await observed.http.request(f"BREW{number}", f"/secret-{number}")
        await observed.http.post(f"/v1/made-up-{number}", json={"model": f"m{number}"})
        await observed.chat("hello", model=f"model-{number}", user=f"user-{number}")
    text = (await observed.scrape()).text

    assert not re.search(r"BREW|secret-|made-up|model-1|user-1", text)
    assert 'route="other"' in text


async def test_routes_with_parameters_are_templates(observed: ObservedApplication) -> None:
    await observed.http.get("/api/v1/jobs/some-job")
    await observed.http.head("/healthz")
    text = (await observed.scrape()).text
    assert re.search(r'requests_total\{route="/api/v1/jobs/\{\w+\}",method="GET",code="401"', text)
    assert 'requests_total{route="/healthz",method="HEAD",code="200"' in text


async def test_refusals_are_counted_by_problem(observed: ObservedApplication) -> None:
    await observed.chat("hello", model="nobody's")
    await observed.http.post(CHAT, json={})
    series = await observed.series()
    assert value(series, "mobula_problems_total", problem="unknown-model") == 1
    assert value(series, "mobula_problems_total", problem="unauthenticated") == 1
    outcome = {"tenant": "seen", "outcome": "client_error"}
    assert value(series, "mobula_tenant_requests_total", **outcome) == 1


async def test_only_the_catalogue_is_exposed(observed: ObservedApplication) -> None:
    await observed.chat("hello")
    response = await observed.scrape()
    names = re.findall(r"^# TYPE (\S+)", response.text, re.M)
    assert response.headers["content-type"] == TEXT
    assert len(names) == len(set(names)) > 30
    assert set(names) <= set(CATALOGUE)


async def test_openmetrics_is_sent_to_whoever_asks(observed: ObservedApplication) -> None:
    response = await observed.scrape("application/openmetrics-text;version=1.0.0")
    assert response.headers["content-type"] == OPENMETRICS
    assert response.text.endswith("# EOF\n")


async def test_ten_thousand_strangers_grow_nothing(observed: ObservedApplication) -> None:
    """Here a few hundred: `./mobula bench metrics` sends all of them."""
    await send_strangers(observed.http, 0, 60)
    before = len((await observed.scrape()).text.splitlines())

    await send_strangers(observed.http, 60, 300)

    text = (await observed.scrape()).text
    assert len(text.splitlines()) - before < 100
    assert not re.search(r"BREW|made-up|model-\d|tenant-\d|host-\d|agent|stranger", text)


async def test_streams_are_a_kind_of_their_own(observed: ObservedApplication) -> None:
    await observed.chat("hello", stream=True)
    await observed.chat("hello", stream=True, model="nobody's")  # refused before it streams
    series = await observed.series()

    name = "mobula_http_request_duration_seconds_count"
    assert value(series, name, route=CHAT, kind="stream") == 1
    assert value(series, name, route=CHAT, kind="unary") == 1
    assert value(series, "mobula_operation_requests_total", operation="chat", outcome="ok") == 1
    assert value(series, "mobula_overhead_seconds_count", operation="chat") == 2


async def test_a_sampled_request_is_the_exemplar_of_its_bucket(
    observed: ObservedApplication,
) -> None:
    await observed.chat("not sampled")
    text = (await observed.scrape("application/openmetrics-text;version=1.0.0")).text
    assert "trace_id" not in text

    observed.services.tracing.ratio = 2.0
    sampled = await observed.chat("sampled")
    assert sampled.status_code == 200
    text = (await observed.scrape("application/openmetrics-text;version=1.0.0")).text

    found = re.findall(
        r'duration_seconds_bucket\{route="/v1/chat/completions",kind="unary",le="[^"]+"\} \d+ '
        r'# \{trace_id="([0-9a-f]{32})"\}',
        text,
    )
    assert len(found) == 1
