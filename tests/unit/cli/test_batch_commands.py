"""`mobula batches`, and `mobula tenants export` and `erase`, against answers of the API."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.cli import api, tenants
from tests.command_line import CommandResult, run_command

BATCH = {
    "id": "job_1", "operation": "captions", "status": "completed", "created": 0.0, "expires": None,
    "ended": 1.0,
    "counts": {"total": 3, "succeeded": 2, "failed": 1, "pending": 0},
}  # fmt: skip
Run = Callable[..., CommandResult]


class Answers:
    """What the API answers, by method and path; requests are kept."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.answers: dict[str, list[httpx.Response]] = {}

    def add(self, request: str, *answers: Any) -> None:
        self.answers[request] = [
            each if isinstance(each, httpx.Response) else httpx.Response(200, json=each)
            for each in answers
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = f"{request.method} {request.url.path}"
        is_json = request.headers.get("content-type") == "application/json"
        body = json.loads(request.content) if is_json else dict(request.url.params)
        self.requests.append((name, body))
        waiting = self.answers[name]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    found = Answers()
    transport = httpx.MockTransport(found)
    monkeypatch.setattr(
        api, "connect", lambda key: httpx.Client(transport=transport, base_url="http://cluster")
    )
    monkeypatch.setattr(tenants, "POLL_S", 0.0)
    return found


def test_a_file_is_uploaded_watched_and_its_outputs_are_printed(
    answers: Answers, tmp_path: Path
) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"custom_id": "c", "body": {"topic": "coffee"}}\n')
    over_file = BATCH | {"input_file": "file-1", "output_file": "file-2", "error_file": "file-3"}
    running = over_file | {"status": "in_progress", "ended": None}
    answers.add("POST /v1/files", {"id": "file-1"})
    answers.add("POST /api/v1/batches", running)
    answers.add("GET /api/v1/batches/job_1", running, over_file)
    answers.add("GET /v1/files/file-2/content", httpx.Response(200, text='{"n": 1}\n'))
    answers.add("GET /v1/files/file-3/content", httpx.Response(200, text='{"n": 2}\n'))

    made = run_command(["batches", "create", "captions", str(file), "--upload", "--wait"])
    assert "completed" in made.stdout
    assert "in_progress: 2 ok, 1 failed, 0 pending" in made.stderr
    assert (
        "POST /api/v1/batches",
        {"operation": "captions", "input_file": "file-1"},
    ) in answers.requests
    assert run_command(["batches", "results", "job_1"]).stdout == '{"n": 1}\n{"n": 2}\n'
    failed = run_command(["batches", "results", "job_1", "--status", "failed"])
    assert failed.stdout == '{"n": 2}\n'


def test_lines_of_a_file_become_items(answers: Answers, tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"topic": "tea"}\n\n{"custom_id": "c", "body": {"topic": "coffee"}}\n')
    answers.add("POST /api/v1/batches", BATCH)

    found = run_command(["batches", "create", "captions", str(file)])
    assert "2 ok, 1 failed, 0 pending" in found.stdout
    assert answers.requests == [
        (
            "POST /api/v1/batches",
            {
                "operation": "captions",
                "items": [
                    {"body": {"topic": "tea"}},
                    {"custom_id": "c", "body": {"topic": "coffee"}},
                ],
            },
        )
    ]


def test_a_bad_line_is_named_and_nothing_is_sent(answers: Answers, tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text('{"topic": "tea"}\n{"topic"\n')

    found = run_command(["batches", "create", "captions", str(file)])
    assert (found.exit_code, "line 2" in found.stderr) == (1, True)
    assert answers.requests == []


def test_results_are_lines_of_all_pages(answers: Answers) -> None:
    pages = [{"data": [{"index": 0}, {"index": 1}], "next_after": 1}, {"data": [{"index": 2}]}]
    answers.add("GET /api/v1/batches/job_1", BATCH)
    answers.add("GET /api/v1/batches/job_1/items", pages[0], {**pages[1], "next_after": None})

    found = run_command(["batches", "results", "job_1"])
    assert [json.loads(line)["index"] for line in found.stdout.splitlines()] == [0, 1, 2]
    assert [query["after"] for _, query in answers.requests[1:]] == ["-1", "1"]


def export(**changes: Any) -> dict[str, Any]:
    waiting = {"job": "job_2", "tenant": "acme", "state": "queued", "ended": None, "problem": None}
    return {**waiting, "tables": {"users": 2, "jobs": 3}, "sha256": "ab", "url": None, **changes}


def test_an_export_is_saved_once_it_has_ended(answers: Answers, tmp_path: Path) -> None:
    answers.add("POST /api/v1/tenants/acme/export", export())
    done = export(state="succeeded", ended=1.0, url="/files/token")
    answers.add("GET /api/v1/tenants/acme/export/job_2", export(state="running"), done)
    answers.add("GET /files/token", httpx.Response(200, content=b"PK"))

    found = run_command(["tenants", "export", "acme", "--out", str(tmp_path / "acme.zip")])
    assert (found.exit_code, "5 rows" in found.stdout) == (0, True)
    assert (tmp_path / "acme.zip").read_bytes() == b"PK"


def test_an_erasure_asks_for_the_id(answers: Answers) -> None:
    answers.add("POST /api/v1/tenants/acme/erase", export(state="succeeded", ended=1.0))

    found = run_command(["tenants", "erase", "acme", "--user", "u1"], input="acme\n")
    assert "5 rows are deleted" in found.stdout
    assert answers.requests == [
        ("POST /api/v1/tenants/acme/erase", {"confirm": "acme", "user": "u1"})
    ]


def test_an_erasure_that_fails_says_why(answers: Answers) -> None:
    failed = export(state="failed", ended=1.0, problem={"detail": "The disk is full."})
    answers.add("POST /api/v1/tenants/acme/erase", failed)

    found = run_command(["tenants", "erase", "acme", "--confirm", "acme"])
    assert (found.exit_code, "The disk is full." in found.stderr) == (1, True)
