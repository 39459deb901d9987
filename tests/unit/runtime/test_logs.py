"""Log lines: JSON, with the request that is being served and the reason of a failure."""

import asyncio
import io
import json
import logging
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.logs.json_lines import JsonLines
from cluster.logs.process_log import ProcessLog, configure_logging
from cluster.resilience.failure_class import FailureClass, classify
from cluster.runtime.logging import logged_request
from cluster.runtime.problems import InvalidRequest, ModelFailed
from cluster.runtime.settings import Settings
from deployments.ingress.http.problems import native_body
from deployments.model.errors import (
    as_picklable,
    model_failed,
    refused_parameters,
    replica_lost,
)

SECRET = "tensor 7 of /models/secret is out of place"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the process writes under `mobula`."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("mobula")
    logger.addHandler(handler)
    yield out
    logger.removeHandler(handler)


def _read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


async def test_lines_name_the_request_that_is_served(lines: io.StringIO) -> None:
    async def serve(request: str, tenant: str) -> None:
        logged_request.set((request, tenant))
        await asyncio.sleep(0)
        logging.getLogger("mobula.test").warning("of %s", request, extra={"model": "nano"})

    await asyncio.gather(serve("req_1", "acme"), serve("req_2", "globex"))
    logging.getLogger("mobula.test").warning("of none")

    first, second, none = _read(lines)
    assert (first["request_id"], first["tenant"], first["model"]) == ("req_1", "acme", "nano")
    assert (second["request_id"], second["tenant"]) == ("req_2", "globex")
    assert "request_id" not in none


@pytest.mark.parametrize("failure", [model_failed, replica_lost])
async def test_the_reason_of_a_failure_is_logged_and_leaves_the_replica_with_nobody(
    failure: Any, lines: io.StringIO
) -> None:
    logged_request.set(("req_9", "acme"))

    answer = pickle.loads(pickle.dumps(as_picklable(failure("nano", SECRET), "nano")))

    [line] = _read(lines)
    assert (line["level"], line["request_id"], line["tenant"]) == ("error", "req_9", "acme")
    assert (line["model"], line["reason"]) == ("nano", SECRET)
    assert "secret" not in json.dumps(native_body(answer)) + repr(vars(answer))


async def test_an_unexpected_error_is_the_models_failure_with_its_traceback(
    lines: io.StringIO,
) -> None:
    def fail() -> None:
        raise KeyError(SECRET)

    try:
        fail()
    except KeyError as error:
        answer = as_picklable(error, "nano")

    assert type(answer) is ModelFailed
    assert "in fail" in _read(lines)[0]["exception"]
    assert answer.__cause__ is None


async def test_refused_parameters_are_a_400_that_counts_for_nobody(lines: io.StringIO) -> None:
    answer = as_picklable(refused_parameters("nano", SECRET), "nano")

    assert isinstance(answer, InvalidRequest)
    assert classify(answer, 1.0, 0.5) is FailureClass.NONE
    [line] = _read(lines)
    assert (line["level"], line["reason"]) == ("warning", SECRET)
    assert "secret" not in json.dumps(native_body(answer))


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The logger `mobula` of a process that has just started."""
    logger = logging.getLogger("mobula")
    before = logger.propagate, logger.level
    monkeypatch.setattr(logger, "handlers", [])
    yield logger
    for handler in logger.handlers:
        if isinstance(handler, ProcessLog):
            handler.close()
    logger.propagate, level = before
    logger.setLevel(level)


def test_a_process_is_configured_once(unconfigured: logging.Logger, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)

    assert configure_logging(settings, "model") is configure_logging(settings, "model")
    assert sum(isinstance(each, ProcessLog) for each in unconfigured.handlers) == 1


def test_lines_go_past_what_stands_in_for_standard_error(
    unconfigured: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Serve replaces a replica's `sys.stderr`, and drops what is written there."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert configure_logging(Settings(home=tmp_path), "model").stream is sys.__stderr__


def test_every_deployment_configures_its_process() -> None:
    """A process that does not says nothing of its failures."""
    root = Path(__file__).parents[3] / "deployments"
    silent = []
    for path in sorted(root.glob("**/deployment.py")):
        own = path.read_text()
        beside = [path.with_name("worker_factory.py"), path.with_name("process_setup.py")]
        if "replica import" in own:  # of a base that configures it
            beside.append(root / "model" / "replica.py")
        sources = [own, *(each.read_text() for each in beside if each.exists())]
        if "configure_logging(" not in "".join(sources):
            silent.append(path.parent.name)
    assert silent == []
