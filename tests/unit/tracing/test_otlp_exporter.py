"""The export of spans to a collector that answers, refuses, or is away."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import httpx
import orjson
import pytest

from cluster.tracing import otlp_sender
from cluster.tracing.otlp_exporter import span_exporter
from cluster.tracing.otlp_sender import OtlpSender
from cluster.tracing.otlp_settings import OtlpSettings, OtlpTarget
from cluster.tracing.span import TraceSpan

URL = "http://collector.test:4318"
Answer = Callable[[httpx.Request], httpx.Response]


def span(number: int = 1) -> TraceSpan:
    return TraceSpan(f"s{number}", "1" * 32, f"{number:016x}", "", 1.0, 2.0)


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> OtlpSettings:
    for name, value in {"EXPORTER_OTLP_ENDPOINT": URL, **variables}.items():
        monkeypatch.setenv(f"OTEL_{name}", value)
    return OtlpSettings()


def traces_of(found: OtlpSettings) -> OtlpTarget:
    target = found.target("traces")
    assert target is not None
    return target


@contextmanager
def exporting(
    found: OtlpSettings, answer: Answer, **options: Any
) -> Iterator[OtlpSender[TraceSpan]]:
    exporter = span_exporter(
        found,
        traces_of(found),
        "ingress-1",
        interval_s=0.01,
        transport=httpx.MockTransport(answer),
        **options,
    )
    try:
        yield exporter
    finally:
        exporter.close()


def test_spans_are_posted_as_json_with_the_headers_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests: list[httpx.Request] = []
    found = settings(
        monkeypatch,
        EXPORTER_OTLP_HEADERS="authorization=Bearer%20abc,x-team=a",
        RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={})

    with exporting(found, answer) as exporter:
        exporter.export([span()])

    [request] = requests
    assert request.url == f"{URL}/v1/traces"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["x-team"] == "a"
    [resource] = orjson.loads(request.content)["resourceSpans"]
    assert {
        each["key"]: each["value"]["stringValue"] for each in resource["resource"]["attributes"]
    }["deployment.environment.name"] == "test"
    assert (exporter.sent, exporter.lost) == (1, 0)


def test_the_variables_for_traces_count_before_the_common_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = settings(
        monkeypatch,
        EXPORTER_OTLP_TRACES_ENDPOINT="http://other.test/traces",
        EXPORTER_OTLP_TIMEOUT="5000",
        EXPORTER_OTLP_TRACES_TIMEOUT="250",
        EXPORTER_OTLP_COMPRESSION="gzip",
    )

    target = traces_of(found)
    assert target.url == "http://other.test/traces"
    assert target.timeout_s == 0.25
    assert target.compression == "gzip"


def test_nothing_is_exported_without_an_endpoint_or_where_it_is_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert OtlpSettings().target("traces") is None
    assert settings(monkeypatch, SDK_DISABLED="true").target("traces") is None
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    assert settings(monkeypatch, TRACES_EXPORTER="none").target("traces") is None


def test_logs_are_exported_only_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).target("logs") is None

    target = settings(monkeypatch, LOGS_EXPORTER="otlp").target("logs")

    assert target is not None
    assert (target.url, target.signal) == (f"{URL}/v1/logs", "logs")


def test_a_body_is_compressed_if_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-encoding"] == "gzip"
        bodies.append(gzip.decompress(request.content))
        return httpx.Response(200)

    found = settings(monkeypatch, EXPORTER_OTLP_COMPRESSION="gzip")
    with exporting(found, answer) as exporter:
        exporter.export([span()])

    assert b'"resourceSpans"' in bodies[0]


def test_a_batch_is_sent_again_to_a_collector_that_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [httpx.Response(503, headers={"retry-after": "0"}), httpx.Response(200)]
    done = Event()

    def answer(_: httpx.Request) -> httpx.Response:
        response = answers.pop(0)
        if not answers:
            done.set()
        return response

    with exporting(settings(monkeypatch), answer) as exporter:
        exporter.export([span()])
        assert done.wait(5)

    assert (exporter.sent, exporter.lost) == (1, 0)


def test_what_a_collector_refuses_is_counted_as_lost_and_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[int] = []

    def answer(_: httpx.Request) -> httpx.Response:
        tried.append(1)
        return httpx.Response(400)

    with exporting(settings(monkeypatch), answer) as exporter:
        exporter.export([span(), span(2)])

    assert tried == [1]
    assert (exporter.sent, exporter.lost, exporter.last_error) == (0, 2, "HTTP 400")


def test_a_full_queue_loses_spans_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    released = Event()

    def answer(_: httpx.Request) -> httpx.Response:
        released.wait(5)
        return httpx.Response(200)

    with exporting(settings(monkeypatch), answer, max_queued=10) as exporter:
        exporter.export([span(number) for number in range(1, 26)])
        released.set()

    assert exporter.lost == 15
    assert exporter.sent == 10


def test_a_collector_that_is_away_costs_the_spans_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_sender, "RETRIES", 0)

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with exporting(settings(monkeypatch), answer) as exporter:
        exporter.export([span()])

    assert (exporter.sent, exporter.lost, exporter.last_error) == (0, 1, "ConnectError")
