"""`bench embeddings` comes to a report, in which the engines agree."""

import json
from pathlib import Path

import pytest

from load_tests.benchmarks.against.figures import extract_figures
from load_tests.benchmarks.speed.bench_embeddings import main


@pytest.mark.exhaustive
def test_a_tiny_run_comes_to_a_report(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOBULA_HOME", str(home))
    path = tmp_path / "report.json"

    assert main(["--batches", "1", "--calls", "2", "--json", str(path)]) == 0

    report = json.loads(path.read_text())
    assert report["difference"] < 1e-3
    assert {row["engine"] for row in report["rows"]} == {"openvino", "torch"}
    assert extract_figures(report)
