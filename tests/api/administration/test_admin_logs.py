"""Logs by HTTP: errors in groups, levels that are changed live; the operator's alone."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cluster.logs.error_groups import ErrorGroup
from cluster.logs.process_log import ProcessLog, logged_process
from cluster.runtime.settings import Settings
from cluster.storage.database import DatabaseUnavailable
from deployments.ingress.http.app import create_app
from deployments.ingress.process_logs import ProcessLogs
from tests.api.administration.world import World
from tests.process_log import no_log_of_the_process  # noqa: F401

ERRORS, LEVELS = "/api/v1/logs/errors", "/api/v1/logs/levels"


@dataclass
class Replicas:
    """The other replicas: what they were told, and what they answer."""

    reports: list[Any] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        self.told.append((method, *arguments))
        return self.reports if method == "log_errors" else []


@pytest.fixture
def replicas(world: World) -> Replicas:
    replicas = Replicas()
    world.app = create_app(replace(world.services, logs=ProcessLogs(replicas)))
    return replicas


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ProcessLog]:
    """This process logs."""
    with logged_process(Settings(home=tmp_path / "logs-home"), "ingress") as log:
        yield log


async def test_errors_of_all_processes_are_one_list(world: World, replicas: Replicas) -> None:
    group = ErrorGroup("f" * 16, "mobula.model", "it failed", "", "", 2, 1.0, 2.0, "req_1", "acme")
    replicas.reports = [
        [asdict(replace(group, processes=("model",)))],
        [asdict(replace(group, processes=("cache",), last=9.0))],
    ]

    answer = await world.ask("operator", "GET", ERRORS)
    [found] = answer.json()["data"]
    assert (found["count"], found["first"], found["last"]) == (4, 1.0, 9.0)
    assert (found["processes"], found["request_id"]) == (["cache", "model"], "req_1")


async def test_without_others_this_process_answers(
    world: World, replicas: Replicas, log: ProcessLog
) -> None:
    logging.getLogger("mobula.test").error("something of ours")

    answer = await world.ask("operator", "GET", ERRORS)
    assert [each["message"] for each in answer.json()["data"]] == ["something of ours"]


async def test_a_level_is_changed_here_and_passed_on_and_audited(
    world: World, replicas: Replicas, log: ProcessLog
) -> None:
    body = {"logger": "mobula.jobs", "level": "DEBUG", "for_s": 60}
    answer = await world.ask("operator", "PUT", LEVELS, json=body)

    assert answer.status_code == 200, answer.text
    override = answer.json()
    assert replicas.told == [("log_levels", [override])]
    assert logging.getLogger("mobula.jobs").isEnabledFor(logging.DEBUG)
    shown = (await world.ask("operator", "GET", LEVELS)).json()
    assert shown == {"configured": "INFO", "data": [override]}
    trail = await world.ask("operator", "GET", "/api/v1/audit?action=logs.level")
    [record] = trail.json()["data"]
    assert record["resource"] == "logs:mobula.jobs"
    assert record["detail"] == {"level": "DEBUG", "until": override["until"]}


async def test_a_level_is_taken_back(world: World, replicas: Replicas, log: ProcessLog) -> None:
    await world.ask("operator", "PUT", LEVELS, json={"level": "ERROR"})
    answer = await world.ask("operator", "DELETE", LEVELS)

    assert answer.status_code == 204
    assert logging.getLogger("mobula").level == logging.INFO
    assert (await world.ask("operator", "GET", LEVELS)).json()["data"] == []
    assert [row["level"] for row in replicas.told[-1][1]] == [""]


async def test_nothing_is_taken_back_where_nothing_was_changed(
    world: World, replicas: Replicas, log: ProcessLog
) -> None:
    assert (await world.ask("operator", "DELETE", LEVELS)).status_code == 204
    assert replicas.told == []


async def test_a_change_that_cannot_be_audited_is_not_made(
    world: World, replicas: Replicas, log: ProcessLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(world.database, "begin", fail)
    answer = await world.ask("operator", "PUT", LEVELS, json={"level": "DEBUG"})

    assert answer.status_code == 503
    assert replicas.told == []
    assert logging.getLogger("mobula").level == logging.INFO


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"level": "TRACE"}, id="unknown-level"),
        pytest.param({"level": "DEBUG", "logger": "ray"}, id="others-logger"),
        pytest.param({"level": "DEBUG", "for_s": 0}, id="no-time"),
        pytest.param({"level": "DEBUG", "for_s": 1e9}, id="too-long"),
    ],
)
async def test_a_bad_level_is_refused(world: World, replicas: Replicas, body: Any) -> None:
    assert (await world.ask("operator", "PUT", LEVELS, json=body)).status_code == 422


@pytest.mark.parametrize("caller", ["owner", "viewer", "generate"])
@pytest.mark.parametrize(("method", "path"), [("GET", ERRORS), ("GET", LEVELS), ("PUT", LEVELS)])
async def test_tenants_have_no_say(
    world: World, replicas: Replicas, caller: str, method: str, path: str
) -> None:
    answer = await world.ask(caller, method, path, json={"level": "DEBUG"})

    assert answer.status_code == 403
    assert replicas.told == []


async def test_what_one_replica_knows_others_that_start_learn(
    replicas: Replicas, log: ProcessLog
) -> None:
    logs = ProcessLogs(replicas)
    row = {"logger": "mobula", "level": "DEBUG", "until": 9e9, "set_at": 1.0}
    log.levels.apply([row])
    await logs._spread()

    assert replicas.told == [("log_levels", [row])]
