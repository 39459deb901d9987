"""Errors reported by Sentry's protocol."""

import json
import logging
import threading
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from cluster.logs.error_groups import ErrorGroups
from cluster.logs.sentry import INTERVAL_S, SentryReporter, parse_dsn
from cluster.runtime.settings import Settings

DSN = parse_dsn("https://abc123@127.0.0.1:9000/prefix/42")
SECRET = "what the tenant wrote"


class _Server(httpx.AsyncBaseTransport):
    """Takes envelopes; `status` is its answer."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[tuple[httpx.Request, bytes]] = []
        self.status = status
        self.arrived = threading.Semaphore(0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request, await request.aread()))
        self.arrived.release()
        return httpx.Response(self.status)


def _record(at: float, message: str = "model %s failed") -> logging.LogRecord:
    record = logging.makeLogRecord(
        {"msg": message, "args": (SECRET,), "name": "mobula.model", "levelno": 40, "created": at}
    )
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        record.exc_info = (KeyError, error, error.__traceback__)
    return record


def _report(server: _Server, *records: logging.LogRecord) -> SentryReporter:
    groups, reporter = ErrorGroups("model"), SentryReporter(DSN, "model", wire=server)
    for record in records:
        reporter(groups.add(record), record)
    reporter.close(timeout_s=10)
    return reporter


def _event(body: bytes) -> dict[str, Any]:
    head, item, event = body.splitlines()
    parsed: dict[str, Any] = json.loads(event)
    assert json.loads(head)["event_id"] == parsed["event_id"]
    assert json.loads(item) == {"type": "event", "length": len(event)}
    return parsed


def test_an_error_is_one_envelope_with_its_place_in_the_code() -> None:
    server = _Server()
    _report(server, _record(100.0))

    [(request, body)] = server.requests
    event = _event(body)
    [exception] = event["exception"]["values"]
    assert str(request.url) == "https://127.0.0.1:9000/prefix/api/42/envelope/"
    assert "sentry_key=abc123" in request.headers["x-sentry-auth"]
    assert (exception["type"], event["level"]) == ("KeyError", "error")
    assert exception["stacktrace"]["frames"][-1]["function"] == "_record"
    assert event["tags"]["process"] == "model"


def test_no_value_leaves() -> None:
    server = _Server()
    _report(server, _record(100.0))

    assert SECRET.encode() not in server.requests[0][1]


def test_a_group_is_reported_once_a_minute() -> None:
    server = _Server()
    _report(server, _record(100.0), _record(101.0), _record(100.0 + INTERVAL_S))

    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [429, 500])
def test_what_is_refused_is_counted(status: int) -> None:
    assert _report(_Server(status), _record(100.0)).lost == 1


@pytest.mark.parametrize("dsn", ["", "x", "https://host/1", "ftp://key@host/1", "https://k@host/"])
def test_what_is_no_dsn_is_refused_and_not_shown(dsn: str) -> None:
    with pytest.raises(ValueError, match="SENTRY_DSN"):
        parse_dsn(dsn)


def test_a_setting_that_is_no_dsn_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError, match="Sentry DSN"):
        Settings(sentry_dsn="https://host/1")  # type: ignore[arg-type]
