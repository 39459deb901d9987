"""A request for a provider's model in its trace, at the upstream, in the logs, in the errors: one
trace id everywhere, through the whole application and over real sockets.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.logs.process_log import FOLDER, ProcessLog, logged_process, report_errors
from cluster.logs.reader import LogFilter, read_lines
from cluster.runtime.settings import Settings
from cluster.tracing.span import RecordedTrace, TraceSpan
from tests.process_log import no_log_of_the_process  # noqa: F401
from tests.upstream_server.application import GatewayApplication, gateway_application
from tests.upstream_server.exchange import Exchange, answer_rightly
from tests.upstream_server.provider_models import KEYS, model_settings
from tests.upstream_server.server import UpstreamServer

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
STATE = "vendor=abc,other=1"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": STATE}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 1}
POLICY = {"policies": {"house": {"rules": [{"id": "pii", "type": "pii", "action": "redact"}]}}}


@dataclass
class TracedGateway:
    """`access` are the lines of the access log."""

    gateway: GatewayApplication
    log: ProcessLog
    home: Path
    access: list[dict[str, Any]] = field(default_factory=list)

    async def chat(self, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        body = {**CHAT, **more}
        return await self.gateway.client.post("/v1/chat/completions", json=body, headers=headers)

    def trace(self, response: httpx.Response) -> RecordedTrace:
        ring = self.gateway.running.services.tracing.tracer.ring
        [trace] = ring.find(response.headers["x-request-id"])
        return trace

    def lines(self, response: httpx.Response) -> list[dict[str, Any]]:
        """Of the application's log."""
        self.log.flush()
        wanted = LogFilter(request=response.headers["x-request-id"])
        return [dict(line.values) for line in read_lines(self.home / FOLDER, wanted)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ProcessLog]:
    with logged_process(Settings(home=tmp_path / "home"), "ingress") as log:
        yield log


@pytest.fixture
async def second() -> AsyncIterator[UpstreamServer]:
    async with UpstreamServer() as server:
        yield server


@pytest.fixture
async def traced(
    upstream: UpstreamServer,
    second: UpstreamServer,
    log: ProcessLog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[TracedGateway]:
    """Nothing is sampled, but what this caller says."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    home, access = tmp_path / "home", list[dict[str, Any]]()
    async with gateway_application(
        home,
        [model_settings([upstream, second], resilience={"retries": 1})],
        plan={"guardrails": ["house"]},
        guardrails=POLICY,
        access_log=lambda line: access.append(json.loads(line)),
        trace_ratio=0.0,
        trusted_proxies=("127.0.0.0/8",),
    ) as gateway:
        yield TracedGateway(gateway, log, home, access)


def spans_of(trace: RecordedTrace) -> dict[str, TraceSpan]:
    return {span.name: span for span in trace.spans}


async def fails(exchange: Exchange) -> None:
    await exchange.respond_json({"error": {"message": "broken", "type": "server_error"}}, 500)


async def test_the_callers_context_goes_on_to_the_upstream(
    traced: TracedGateway, upstream: UpstreamServer, second: UpstreamServer
) -> None:
    response = await traced.chat(CONTEXT)

    [request] = [*upstream.requests, *second.requests]
    call = spans_of(traced.trace(response.raise_for_status()))["chat m"]
    assert request.header("traceparent") == f"00-{TRACE}-{call.span_id}-01"
    assert request.header("tracestate") == STATE


async def test_an_untraced_request_tells_the_upstream_nothing(
    traced: TracedGateway, upstream: UpstreamServer, second: UpstreamServer
) -> None:
    (await traced.chat()).raise_for_status()

    [request] = [*upstream.requests, *second.requests]
    assert request.header("traceparent") is request.header("tracestate") is None


async def test_every_attempt_is_a_span_below_its_call(
    traced: TracedGateway, upstream: UpstreamServer, second: UpstreamServer
) -> None:
    """Whichever upstream is asked first fails."""
    seen: list[int] = []

    async def first_fails(exchange: Exchange) -> None:
        seen.append(1)
        await (fails if len(seen) == 1 else answer_rightly)(exchange)

    upstream.default = second.default = first_fails

    response = await traced.chat(CONTEXT)

    spans = spans_of(traced.trace(response.raise_for_status()))
    call, one, other = spans["chat m"], spans["attempt 1"], spans["attempt 2"]
    assert {one.parent_id, other.parent_id} == {call.span_id}
    assert [each.attributes["mobula.attempt.kind"] for each in (one, other)] == ["first", "retry"]
    assert one.attributes["mobula.upstream"] != other.attributes["mobula.upstream"]
    assert (bool(one.error), other.error, call.error) == (True, "", "")
    assert call.start <= one.start <= one.end <= other.start <= other.end <= call.end
    assert call.attributes["gen_ai.provider.name"] == "openai"
    assert call.attributes["mobula.attempts"] == 2


async def test_checks_of_guardrails_and_waits_for_limits_are_spans(traced: TracedGateway) -> None:
    response = await traced.chat(CONTEXT)

    spans = traced.trace(response.raise_for_status()).spans
    ids = {span.span_id for span in spans}
    parts = [span for span in spans if span.name in ("guardrails", "reserve")]
    assert [span.name for span in parts] == ["guardrails", "reserve", "guardrails"]
    assert all(span.parent_id in ids for span in parts)


async def test_a_failed_request_has_one_trace_id_in_trace_logs_and_errors(
    traced: TracedGateway, upstream: UpstreamServer, second: UpstreamServer
) -> None:
    """Though nobody has sampled it, and no caller has named a trace."""
    upstream.default = second.default = fails

    response = await traced.chat()

    trace = traced.trace(response)
    [line] = [each for each in traced.lines(response) if each["level"] == "error"]
    [entry] = [
        each for each in traced.access if each["request_id"] == response.headers["x-request-id"]
    ]
    slug = entry["problem"]
    [group] = [each for each in report_errors() if each["message"] == f"request failed: {slug}"]
    assert response.status_code >= 500
    assert trace.reason == "failed"
    assert trace.request_id == f"req_{trace.trace_id}"
    assert line["trace_id"] == entry["trace_id"] == group["trace_id"] == trace.trace_id
    assert entry["span_id"] == line["span_id"] == trace.spans[0].span_id
    assert group["request_id"] == trace.request_id
    assert line["fingerprint"] == group["fingerprint"]


async def test_a_sampled_request_has_the_callers_trace_id_in_its_lines(
    traced: TracedGateway,
) -> None:
    response = await traced.chat(CONTEXT)

    [entry] = [
        each for each in traced.access if each["request_id"] == response.headers["x-request-id"]
    ]
    assert entry["trace_id"] == traced.trace(response).trace_id == TRACE
