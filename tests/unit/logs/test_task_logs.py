"""Lines of tasks in other processes: about the request that caused them."""

import logging
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from cluster.logs.process_log import FOLDER, current_log
from cluster.logs.reader import LogFilter, read_lines
from cluster.logs.schema import ROOT_LOGGER
from cluster.logs.task_logs import LogContext, logged_task
from cluster.runtime.logging import logged_request
from cluster.tracing.log_context import log_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The process that runs tasks has this home, and logs nothing yet."""
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))
    root = logging.getLogger(ROOT_LOGGER)
    monkeypatch.setattr(root, "handlers", [])
    yield tmp_path
    log = current_log()
    if log is not None:
        log.close()


def test_a_task_logs_under_the_request_and_the_span_of_its_caller(home: Path) -> None:
    def call() -> LogContext:
        logged_request.set(("req_1", "acme"))
        log_trace(f"00-{TRACE}-{SPAN}-01")
        return LogContext.current()

    def work() -> None:
        with logged_task(caller):
            logging.getLogger("mobula.clipper").warning("a clip has no sound")

    caller = copy_context().run(call)
    copy_context().run(work)

    [line] = read_lines(home / FOLDER, LogFilter(request="req_1"))
    assert line.process == "task"
    assert (line.values["tenant"], line.values["trace_id"], line.values["span_id"]) == (
        "acme",
        TRACE,
        SPAN,
    )


def test_a_caller_without_a_request_is_no_reason_to_fail(home: Path) -> None:
    def work() -> None:
        with logged_task(LogContext("", "", "")):
            logging.getLogger("mobula.clipper").warning("nobody asked")

    copy_context().run(work)

    assert [line.values["message"] for line in read_lines(home / FOLDER, LogFilter())] == [
        "nobody asked"
    ]
