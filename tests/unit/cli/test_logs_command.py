"""`mobula logs`: what it prints of the files of this machine."""

import json
from pathlib import Path

import pytest

from cluster.cli.logs import parse_duration
from cluster.runtime.clock import SystemClock
from tests.command_line import run_command


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The logs of a home: one line of this minute, one of an hour ago."""
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))
    folder, now = tmp_path / "logs", SystemClock().wall()
    folder.mkdir()
    lines = [
        {"ts": now - 3_600, "level": "error", "message": "long ago", "request_id": "req_1"},
        {"ts": now - 1, "level": "info", "message": "just now", "request_id": "req_2"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "model-3.jsonl").write_text(text)
    return folder


def test_the_last_minutes_are_shown(folder: Path) -> None:
    output = run_command(["logs"]).output

    assert "just now request_id=req_2" in output
    assert "long ago" not in output


def test_all_lines_of_a_request_are_shown_as_written(folder: Path) -> None:
    output = run_command(["logs", "--since", "all", "--request", "req_1", "--json"]).output

    assert json.loads(output)["message"] == "long ago"


def test_lines_of_a_level_and_above(folder: Path) -> None:
    output = run_command(["logs", "--since", "2h", "--level", "error"]).output

    assert "long ago" in output
    assert "just now" not in output


@pytest.mark.parametrize("arguments", [["--level", "loud"], ["--since", "tomorrow"]])
def test_a_bad_option_is_refused(folder: Path, arguments: list[str]) -> None:
    assert run_command(["logs", *arguments]).exit_code == 1


def test_without_logs_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(tmp_path))

    assert run_command(["logs"]).exit_code == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("10m", 600), ("1.5h", 5_400), ("2d", 172_800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
