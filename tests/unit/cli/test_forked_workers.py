"""The option `--forks`: every test runs once, in one of several processes."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from cluster.runtime.settings import ROOT, process_environment

WORKING = """
import os, pathlib, pytest, sys, time

@pytest.fixture(scope="session", autouse=True)
def ended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    yield
    pathlib.Path({folder!r}, f"ended-{{os.getpid()}}").write_text(str(folder))

@pytest.mark.parametrize("number", range(3))
def test_in_a_file_of_its_own(number, tmp_path):
    begun = pathlib.Path({folder!r}, f"begun-{{os.getpid()}}")
    begun.touch()
    while len(list(begun.parent.glob("begun-*"))) < 2:  # until another worker has begun as well
        time.sleep(0.01)
    print("printed by a worker")
    assert number != {fails}
"""
DYING = """
import os

def test_that_ends_its_process():
    os._exit(3)

def test_after_it():
    pass
"""


def run(folder: Path, *options: str) -> tuple[int, str, list[ElementTree.Element]]:
    """The exit code, what was printed, and the cases of the JUnit report."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.forked_workers", "--forks", "2"]
    command += ["-c", str(folder / "pytest.ini"), f"--junitxml={report}", *options, str(folder)]
    ended = subprocess.run(
        command, cwd=ROOT, env=process_environment({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    cases = list(ElementTree.parse(report).iter("testcase"))
    return ended.returncode, ended.stdout + ended.stderr, cases


def test_files_are_divided_among_processes_whose_reports_come_together(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    for name, fails in (("a", 9), ("b", 1), ("c", 9)):
        text = WORKING.format(folder=str(tmp_path), fails=fails)
        (tmp_path / f"test_{name}.py").write_text(text)

    code, printed, cases = run(tmp_path)

    assert code == 1
    assert "1 failed, 8 passed" in printed
    assert "printed by a worker" in printed
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert (len(cases), failed) == (9, ["test_in_a_file_of_its_own[1]"])
    folders = {path.read_text() for path in tmp_path.glob("ended-*")}
    assert len(folders) == len(list(tmp_path.glob("begun-*"))) == 2


def test_a_conftest_may_divide_a_file(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "conftest.py").write_text("def pytest_fork_group(item): return item.nodeid")
    (tmp_path / "test_a.py").write_text(WORKING.format(folder=str(tmp_path), fails=9))

    code, printed, _ = run(tmp_path)

    assert (code, len(list(tmp_path.glob("begun-*")))) == (0, 2)
    assert "3 passed" in printed


def test_a_worker_that_dies_fails_its_test_and_others_run_the_other_files(
    tmp_path: Path,
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "test_dying.py").write_text(DYING)
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")

    code, printed, cases = run(tmp_path)

    assert code == 1
    assert "1 failed, 1 passed" in printed
    assert "the worker's process ended with code 3" in printed
    assert sorted(case.get("name") or "" for case in cases) == [
        "test_other",
        "test_that_ends_its_process",
    ]


def test_after_enough_failures_no_other_test_begins(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")
    text = "import pytest\n@pytest.mark.parametrize('n', range(200))\ndef test_n(n): assert n\n"
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(text)

    code, printed, cases = run(tmp_path, "--maxfail=2")

    assert code == 1
    assert "stopping after 2 failures" in printed
    assert len(cases) < 400
