"""Log lines at a collector, as OpenTelemetry's own protocol buffers understand them."""

import io
import logging
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import orjson
import pytest

from cluster.logs.otlp_logs import configured_log_exporter, encode_lines
from cluster.logs.process_log import ProcessLog
from cluster.runtime.clock import SystemClock
from cluster.runtime.logging import logged_request, logged_trace
from load_tests.benchmarks.common.otlp_receiver import OtlpReceiver, ReceivedLog

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LINE = {
    "ts": 1_700_000_000.25,
    "level": "error",
    "logger": "mobula.model",
    "message": "the engine stopped",
    "request_id": "req_1",
    "tenant": "acme",
    "trace_id": TRACE,
    "span_id": SPAN,
    "status": 502,
    "exception": "Traceback ...",
    "details": {"a": 1},
    "key": None,
}


def received(*lines: dict[str, object]) -> list[ReceivedLog]:
    receiver = OtlpReceiver()
    body = encode_lines([orjson.dumps(line) for line in lines], {"service.instance.id": "model-1"})
    receiver.take("/v1/logs", body)
    return [*receiver.logs()]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
        yield receiver


def test_a_line_is_a_log_record_of_its_process() -> None:
    [log] = received(LINE)

    record = log.record
    assert log.process == "model-1"
    assert record.time_unix_nano == 1_700_000_000_250_000_000
    assert (record.severity_number, record.severity_text) == (17, "ERROR")
    assert record.body.string_value == "the engine stopped"
    assert (record.trace_id.hex(), record.span_id.hex()) == (TRACE, SPAN)
    assert log.attributes == {
        "logger.name": "mobula.model",
        "mobula.request_id": "req_1",
        "mobula.tenant": "acme",
        "http.response.status_code": 502,
        "exception.stacktrace": "Traceback ...",
        "mobula.details": '{"a":1}',
    }


@pytest.mark.parametrize(
    ("level", "number"), [("debug", 5), ("info", 9), ("warning", 13), ("critical", 21)]
)
def test_levels_are_severities(level: str, number: int) -> None:
    [log] = received({"ts": 1.0, "level": level, "message": "m"})

    assert log.record.severity_number == number
    assert log.trace_id == ""


def test_what_a_process_logs_reaches_the_collector_with_its_request_and_trace(
    collector: OtlpReceiver, tmp_path: Path
) -> None:
    log = process_log(tmp_path)

    def work() -> None:
        logged_request.set(("req_2", "acme"))
        logged_trace.set((TRACE, SPAN))
        log.handle(record("mobula.jobs", "a secret mob_abcd1234_0123456789abcdefghijklmnop"))

    copy_context().run(work)
    log.close()

    [sent] = collector.logs()
    assert collector.refused == []
    assert sent.process.startswith("model-")
    assert (sent.trace_id, sent.attributes["mobula.request_id"]) == (TRACE, "req_2")
    assert sent.record.body.string_value == "a secret [secret]"


def test_what_is_logged_about_the_export_is_not_exported(
    collector: OtlpReceiver, tmp_path: Path
) -> None:
    log = process_log(tmp_path)

    log.handle(record("mobula.telemetry", "8 logs were not exported"))
    log.handle(record("mobula.jobs", "something else"))
    log.close()

    assert [each.record.body.string_value for each in collector.logs()] == ["something else"]


def test_an_endpoint_alone_exports_no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.test:4318")

    assert configured_log_exporter("model") is None


def process_log(home: Path) -> ProcessLog:
    exporter = configured_log_exporter("model")
    return ProcessLog("model", home, io.StringIO(), "INFO", SystemClock(), exporter=exporter)


def record(logger: str, message: str) -> logging.LogRecord:
    return logging.LogRecord(logger, logging.WARNING, __file__, 1, message, None, None)
