"""`bench NAME --against REV`: another commit in a worktree, figures matched by key, in turn."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cluster.cli.requirements import MissingRequirement
from load_tests.benchmarks.against import run
from load_tests.benchmarks.against.figures import (
    ComparedFigure,
    ReportedFigure,
    compare_figures,
    extract_figures,
    list_slower,
)
from load_tests.benchmarks.against.worktree import check_out
from load_tests.benchmarks.common.measurement import Measurement

BENCHMARK = """
import json, sys
print("usage: --json FILE --rounds N", "--{option} N")
if "--json" in sys.argv:
    rows = [{{"case": "mobula chat", "requests_s": {rate}, "p99_ms": 4.0}}]
    open(sys.argv[sys.argv.index("--json") + 1], "w").write(json.dumps({{"rows": rows}}))
"""
CLI = "import sys, runpy\nsys.argv.pop(1)\nrunpy.run_path('bench.py')\n"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, option: str, rate: int) -> str:
    """A commit of a repository whose only benchmark reports this rate and knows this option."""
    (folder / "cluster" / "cli").mkdir(parents=True, exist_ok=True)
    (folder / "cluster" / "__init__.py").touch()
    (folder / "cluster" / "cli" / "__init__.py").touch()
    (folder / "cluster" / "cli" / "__main__.py").write_text(CLI)
    (folder / "bench.py").write_text(BENCHMARK.format(option=option, rate=rate))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", option)
    return git(folder, "rev-parse", "--short", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits: `old` with 100 requests/s, and what is checked out with 90."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, "both", 100)
    git(folder, "tag", "old")
    commit(folder, "mine", 90)
    monkeypatch.setattr(run, "ROOT", folder)
    monkeypatch.setattr(run, "check_out", lambda revision: check_out(revision, folder))
    return folder


def test_a_commit_is_checked_out_and_its_worktree_removed(repository: Path) -> None:
    with check_out("old", repository) as other:
        assert "100" in (other.folder / "bench.py").read_text()
        assert other.commit == git(repository, "rev-parse", "--short", "old")
        assert other.same_pins

    assert not other.folder.exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_revision_that_does_not_exist_is_a_missing_requirement(repository: Path) -> None:
    with (
        pytest.raises(MissingRequirement, match="no commit 'nowhere'"),
        check_out("nowhere", repository),
    ):
        pass


def test_both_run_in_turn_with_the_options_that_both_know(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    arguments = ["path", "--against", "old", "--rounds", "2", "--mine", "3", "--json", str(report)]

    assert run.main(arguments) == 0
    assert run.main([*arguments, "--check"]) == 1  # 90 of 100 requests a second
    assert run.main([*arguments, "--check", "--at-least", "0.9"]) == 0

    written = json.loads(report.read_text())
    assert written["conditions"]["arguments"] == ["--rounds", "1"]
    rates = written["rows"][0]
    assert (rates["key"], rates["theirs"], rates["ours"]) == ("mobula-chat.requests_s", 100, 90)
    assert rates["ratios"] == [0.9, 0.9]
    assert "--mine is left out" in capsys.readouterr().out


def test_a_benchmark_that_makes_no_report_shows_the_end_of_its_output(repository: Path) -> None:
    (repository / "bench.py").write_text(
        "print('--json')\nimport sys\n'--json' in sys.argv and 1/0"
    )

    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run.main(["path", "--against", "old"])


@pytest.mark.parametrize("name", run.UNSUPPORTED)
def test_benchmarks_that_start_the_launcher_have_no_against(name: str) -> None:
    with pytest.raises(MissingRequirement):
        run.main([name, "--against", "old"])


def test_an_option_keeps_its_values_and_a_dropped_one_loses_them() -> None:
    given = ["--part", "speed", "--new", "1", "2", "--seconds=3", "--old"]
    known = {"--json", "--part", "--seconds"}

    chosen = run.select_arguments(given, known, Console(quiet=True))

    assert chosen == ["--part", "speed", "--seconds=3"]
    with pytest.raises(MissingRequirement, match="no --json"):
        run.select_arguments([], {"--rounds"}, Console(quiet=True))


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            {"rows": [{"case": "unary", "connections": 16, "contender": "mobula 0.1.0",
                       "requests_s": 5.0, "errors": 0, "against": {"x": 1}}]},
            {"unary.16.mobula.requests_s": (5.0, "higher"), "unary.16.mobula.errors": (0, "lower")},
        ),
        (
            {"rows": [{"case": "a", "lru": 1.0}, {"case": "a", "lru": 2.0}]},
            {"a.lru": (1.0, ""), "a.lru#2": (2.0, "")},
        ),
        (
            {"figures": [{"part": "speed", "name": "kept, p95", "unit": "ms", "value": 3.0,
                          "at_most": 50.0, "met": True}]},
            {"speed.cached-p95": (3.0, "lower")},
        ),
        (
            {"figures": [{"key": "speed.stable", "part": "speed", "name": "renamed",
                          "unit": "requests/s", "value": 9, "at_least": None}]},
            {"speed.stable": (9.0, "higher")},
        ),
        (
            {"benchmark": "stream", "http_tokens_s": 4.0, "ratio": 0.9, "passed": True,
             "conditions": {"tokens": 64}, "rounds": {"http": [1.0]}},
            {"http_tokens_s": (4.0, "higher"), "ratio": (0.9, "")},
        ),
    ],
    ids=["rows", "rows alike", "an old commit's label", "a row's own key", "plain numbers"],
)  # fmt: skip
def test_figures_of_a_report_have_stable_keys(
    report: dict[str, Any], expected: dict[str, tuple[float, str]]
) -> None:
    found = {key: (each.value, each.better) for key, each in extract_figures(report).items()}

    assert found == expected


def test_a_measurement_has_the_key_that_older_reports_are_matched_by() -> None:
    new = Measurement("speed", "cached, p95", 3.0, "ms").to_dict()
    old = {**asdict(Measurement("speed", "kept, p95", 6.0, "ms"))}

    assert extract_figures({"figures": [new]}).keys() == extract_figures({"figures": [old]}).keys()


def test_medians_are_compared_and_rates_below_the_bound_listed() -> None:
    def turn(rate: float, p99_ms: float) -> dict[str, ReportedFigure]:
        return {
            "rate": ReportedFigure("rate", rate, "higher"),
            "p99": ReportedFigure("p99", p99_ms, "lower"),
        }

    theirs = [turn(100, 1), turn(110, 1), turn(1, 1)]
    ours = [{**turn(95, 9), "new": ReportedFigure("new", 1, "")}, turn(99, 9), turn(1000, 9)]

    figures = compare_figures(theirs, ours)

    assert [(figure.key, figure.theirs, figure.ours) for figure in figures] == [
        ("rate", 100, 99), ("p99", 1, 9),
    ]  # fmt: skip
    assert figures[0].ratios == (0.95, 0.9, 1000)
    assert list_slower(figures, 0.98) == []
    assert list_slower(figures, 0.995) == [figures[0]]


@pytest.mark.parametrize(
    ("key", "is_ours"),
    [
        ("mobula-chat.requests_s", True),
        ("speed.mobula-cached", True),
        ("litellm.mobula-cached", True),
        ("speed.bare-asgi", False),
        ("bare-chain-stream.requests_s", False),
        ("litellm.litellm-cached", False),
        ("unary.4.litellm.requests_s", False),
        ("unary.4.smg.requests_s", False),
        ("stream.4.their-echo-server-alone.chunks_s", False),
        ("http_tokens_s", True),
        ("engine_tokens_s", False),
        ("engine_lockstep_tokens_s", False),
    ],
)
def test_baselines_and_peers_are_shown_and_not_judged(key: str, is_ours: bool) -> None:
    slow = ComparedFigure(key, key, 100.0, 50.0, "higher", (0.5,))

    assert list_slower([slow], 0.98) == ([slow] if is_ours else [])


def test_the_command_of_any_benchmark_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from cluster.cli import bench

    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        "cluster.cli.run_module.main_of",
        lambda module, arguments: calls.append((module, arguments)) or 0,
    )

    bench.run_benchmark("speed", "path", ["--against=main", "--seconds", "1"])

    expected = ["path", "--against=main", "--seconds", "1"]
    assert calls == [("load_tests.benchmarks.against.run", expected)]


def test_costs_of_requests_are_figures_by_process_and_in_all() -> None:
    cost = {"haproxy_ms": 1.0, "ingress_ms": 4.0, "model_ms": 2.5}

    figures = extract_figures({"costs": {"requests": {"stream": cost}, "node_ms": 3.0}})

    assert {key: figure.value for key, figure in figures.items()} == {
        "stream.haproxy_ms": 1.0,
        "stream.ingress_ms": 4.0,
        "stream.model_ms": 2.5,
        "stream.all_ms": 7.5,
    }
    assert {figure.better for figure in figures.values()} == {"lower"}
