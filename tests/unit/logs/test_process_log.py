"""What a process logs: lines of one schema in a file and on standard error."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.logs.process_log import ProcessLog, current_log, logged_process, report_errors
from cluster.logs.repeats import EVERY, FIRST
from cluster.logs.schema import FIELDS
from cluster.runtime.clock import SystemClock
from cluster.runtime.logging import logged_request, logged_trace
from cluster.runtime.settings import Settings

KEY = "mob_abcd1234_" + "x" * 32


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ProcessLog]:
    """Not yet configured; on a logger that is no one's."""
    log = ProcessLog("model", tmp_path, io.StringIO(), "INFO", SystemClock())
    logger = logging.getLogger("mobula")
    logger.addHandler(log)
    yield log
    logger.removeHandler(log)
    log.close()


def _lines(folder: Path) -> list[dict[str, Any]]:
    [path] = folder.glob("model-*.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_is_in_the_file_and_on_standard_error(log: ProcessLog, tmp_path: Path) -> None:
    logging.getLogger("mobula.test").warning("of %s", KEY, extra={"model": "nano"})
    log.flush()

    [line] = _lines(tmp_path)
    assert isinstance(log.stream, io.StringIO)
    assert json.loads(log.stream.getvalue()) == line
    assert (line["process"], line["level"], line["model"]) == ("model", "warning", "nano")
    assert KEY not in line["message"]


def test_the_file_appears_with_the_first_line(log: ProcessLog, tmp_path: Path) -> None:
    assert list(tmp_path.iterdir()) == []


async def test_lines_name_request_tenant_and_trace(log: ProcessLog, tmp_path: Path) -> None:
    logged_request.set(("req_1", "acme"))
    logged_trace.set(("a" * 32, "b" * 16))
    logging.getLogger("mobula.test").warning("something")
    log.flush()

    [line] = _lines(tmp_path)
    assert (line["request_id"], line["tenant"]) == ("req_1", "acme")
    assert (line["trace_id"], line["span_id"]) == ("a" * 32, "b" * 16)


def test_every_field_of_a_failure_is_in_the_schema(log: ProcessLog, tmp_path: Path) -> None:
    try:
        raise KeyError("nothing")
    except KeyError:
        logging.getLogger("mobula.test").exception("it failed")
    log.flush()

    [line] = _lines(tmp_path)
    assert line.keys() <= FIELDS.keys()
    assert "KeyError" in line["exception"]
    assert line["fingerprint"] == log.errors.report()[0]["fingerprint"]


def test_lines_that_repeat_are_sampled_and_counted(log: ProcessLog, tmp_path: Path) -> None:
    for number in range(FIRST + EVERY):
        logging.getLogger("mobula.test").error("the disk refuses %d", number)
    logging.getLogger("mobula.test").error("something else")
    log.flush()

    lines = _lines(tmp_path)
    assert len(lines) == FIRST + 2
    assert lines[FIRST]["suppressed"] == EVERY - 1
    counts = {group["message"]: group["count"] for group in log.errors.report()}
    assert counts == {"the disk refuses %d": FIRST + EVERY, "something else": 1}


def test_errors_are_told_to_the_reporter_even_if_their_lines_are_left_out(tmp_path: Path) -> None:
    told: list[int] = []
    log = ProcessLog(
        "cache", None, None, "INFO", SystemClock(), lambda group, _: told.append(group.count)
    )
    record = logging.makeLogRecord({"msg": "again", "name": "mobula.x", "levelno": logging.ERROR})
    for _ in range(FIRST + 2):
        log.handle(record)

    assert told == list(range(1, FIRST + 3))


def test_a_process_logs_while_the_block_runs(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with logged_process(settings, "supervisor") as log:
        assert current_log() is log
        logging.getLogger("mobula.supervisor").error("the cluster is gone")
        assert [group["message"] for group in report_errors()] == ["the cluster is gone"]

    assert current_log() is None
    [path] = (tmp_path / "logs").glob("supervisor-*.jsonl")
    assert json.loads(path.read_bytes())["logger"] == "mobula.supervisor"


def test_a_process_that_logs_already_goes_on_after_the_block(tmp_path: Path) -> None:
    with logged_process(Settings(home=tmp_path), "worker") as log:
        with logged_process(Settings(home=tmp_path / "other"), "supervisor") as inner:
            assert inner is log

        assert current_log() is log
        logging.getLogger("mobula.worker").error("still here")

    [path] = (tmp_path / "logs").glob("worker-*.jsonl")
    assert json.loads(path.read_bytes())["message"] == "still here"
