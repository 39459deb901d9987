"""Counting what pytest did, and choosing tiers."""

import os
import platform
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cluster.cli import test_servers, test_tiers
from cluster.cli.test_servers import PACKAGES, Machine
from cluster.cli.test_tiers import TestCounts, TierOptions, TierResult, available, counts

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_x" name="a" time="1.5"/>
<testcase classname="tests.unit.test_x" name="b" time="0.5"><failure/></testcase>
<testcase classname="tests.api.folder.test_y" name="c" time="0.25"><error/></testcase>
<testcase classname="tests.unit.test_x.TestClass" name="d"><skipped/></testcase>
<testcase classname="" name="tests.api.test_that_cannot_be_imported"><error/></testcase>
</testsuite></testsuites>"""
ONE = {tier: TestCounts(passed=1) for tier in test_tiers.ORDER}


def test_a_report_is_counted_by_tier(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT)

    assert counts(path) == {"unit": TestCounts(1, 1, 1, 2.0), "api": TestCounts(0, 2, 0, 0.25)}
    assert counts(tmp_path / "none.xml") == {}


def test_quick_tiers_come_first() -> None:
    order = available()

    assert order[:2] == ["lint", "unit"]
    assert order.index("graph") < order.index("video") < order.index("cluster")


def test_an_unknown_tier_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert test_tiers.run(["nonsense"], None, stop=False) == 1
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        pytest.param(TierResult("unit", 3, 0, 0, 1.0), 0, "3 passed, 0 failed", id="good"),
        pytest.param(
            TierResult("unit", 3, 1, 2, 1.0), 1, "3 passed, 1 failed, 2 skipped", id="bad"
        ),
        pytest.param(TierResult("unit", 0, 0, 0, 1.0), 1, "0 passed, 0 failed", id="nothing ran"),
    ],
)
def test_the_last_line_sums_up(
    outcome: TierResult, code: int, line: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(test_tiers, "_pytest", lambda *_, **__: [outcome])

    assert test_tiers.run(["unit"], None, stop=False) == code
    assert capsys.readouterr().out.splitlines()[-1] == line


class FakeTiers:
    """Stands in for the processes of tiers: lint and the fast tiers wait until both have begun."""

    def __init__(self, together: int, failing: str = "") -> None:
        self.begun = threading.Barrier(together)
        self.failing = failing
        self.order: list[str] = []
        self.commands: dict[str, str] = {}

    def call(
        self, command: Sequence[str], changes: Mapping[str, str], *, quiet: bool
    ) -> tuple[int, str]:
        tiers = [word.removeprefix("tests/") for word in command if word.startswith("tests/")]
        name = ", ".join(tiers) or "lint"
        self.commands[name] = " ".join(command)
        if name not in self.order:
            self.order.append(name)
            if name == "lint" or set(tiers) <= set(test_tiers.FAST):
                self.begun.wait(10)
        if quiet:
            return int(name == self.failing), f"output of {name}"
        sys.stdout.write(f"output of {name}\n")
        return int(name == self.failing), ""


@pytest.mark.parametrize(
    ("tiers", "together", "printed"),
    [
        pytest.param(
            ["lint", "unit", "contract", "api", "tools"],
            2,
            ["unit, contract, api", "lint", "tools"],
            id="fast tiers",
        ),
        pytest.param(["lint", "unit", "graph"], 2, ["unit", "graph", "lint"], id="tiers that wait"),
        pytest.param(["lint", "api", "unit"], 2, ["unit, api", "lint"], id="without contract"),
        pytest.param(["lint"], 1, ["lint"], id="alone"),
        pytest.param(["api", "graph"], 1, ["api", "graph"], id="nothing beside it"),
    ],
)
def test_fast_tiers_are_one_run_beside_lint_whose_output_stays_apart(
    tiers: list[str],
    together: int,
    printed: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeTiers(together)
    monkeypatch.setattr(test_servers, "ensure_servers", lambda: None)
    monkeypatch.setattr(test_servers, "ensure_unpacked", lambda: None)
    monkeypatch.setattr(test_tiers, "_call", fake.call)
    monkeypatch.setattr(test_tiers, "counts", lambda _: {**ONE})

    assert test_tiers.run(tiers, None, stop=False) == 0

    lines = capsys.readouterr().out.splitlines()
    outputs = [line.removeprefix("output of ") for line in lines if line.startswith("output of ")]
    assert list(dict.fromkeys(outputs)) == printed
    for name in printed:
        assert lines.index(f"== {name}") < lines.index(f"output of {name}")
    for tier in tiers:
        assert any(line.startswith(f"{tier:<10} ok") for line in lines)


@pytest.mark.parametrize("processors", [1, 2, 4])
def test_fast_tiers_have_more_workers_than_there_are_processors_and_tools_as_many(
    processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeTiers(1)
    monkeypatch.setattr(test_servers, "ensure_servers", lambda: None)
    monkeypatch.setattr(test_servers, "ensure_unpacked", lambda: None)
    monkeypatch.setattr(test_tiers, "_call", fake.call)
    monkeypatch.setattr(test_tiers, "processors", lambda: processors)
    monkeypatch.setattr(test_tiers, "counts", lambda _: {**ONE})

    assert test_tiers.run(["contract", "unit", "tools"], None, stop=False) == 0

    assert f" --forks {processors + 1}" in fake.commands["unit, contract"]
    assert f" --forks {processors}" in fake.commands["tools"]


def test_a_run_that_breaks_without_a_failed_test_has_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeTiers(1, failing="unit, api")
    monkeypatch.setattr(test_servers, "ensure_unpacked", lambda: None)
    monkeypatch.setattr(test_tiers, "_call", fake.call)
    monkeypatch.setattr(test_tiers, "counts", lambda _: {**ONE})

    assert test_tiers.run(["unit", "api"], None, stop=False) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 1 failed"


def test_lint_and_tiers_that_compute_run_beside_those_that_wait_and_give_way_to_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeTiers(2)
    monkeypatch.setattr(test_servers, "ensure_servers", lambda: None)
    monkeypatch.setattr(test_servers, "ensure_unpacked", lambda: None)
    monkeypatch.setattr(test_tiers, "_call", fake.call)
    monkeypatch.setattr(test_tiers, "counts", lambda _: {**ONE})
    lowest = " ".join(test_tiers.lowest_priority())

    tiers = ["lint", "unit", "graph", "tools", "video", "chaos"]
    assert test_tiers.run(tiers, None, stop=False) == 0

    assert {tier for tier, words in fake.commands.items() if words.startswith(lowest)} == {
        "lint",
        "tools",
        "video",
    }
    lines = capsys.readouterr().out.splitlines()
    outputs = [line.removeprefix("output of ") for line in lines if line.startswith("output of ")]
    assert list(dict.fromkeys(outputs)) == ["unit", "graph", "chaos", "tools", "video", "lint"]


def test_tiers_that_compute_run_as_any_other_where_none_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeTiers(1)
    monkeypatch.setattr(test_tiers, "_call", fake.call)
    monkeypatch.setattr(test_tiers, "counts", lambda _: {**ONE})

    assert test_tiers.run(["tools", "video"], None, stop=False) == 0

    assert fake.order == ["tools", "video"]
    assert not any(words.startswith("nice") for words in fake.commands.values())


def test_after_a_failure_no_other_tier_begins_if_so_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTiers(1, failing="unit")
    monkeypatch.setattr(test_tiers, "_call", fake.call)

    assert test_tiers.run(["unit", "graph"], None, stop=True) == 1
    assert fake.order == ["unit"]


def test_lint_counts_each_of_its_tools(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_tiers, "_call", lambda *_, **__: (1, "a fault of style"))

    assert test_tiers.run(["lint"], None, stop=False) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("a fault of style") == len(test_tiers.CHECKS)
    assert lines[-1] == f"0 passed, {len(test_tiers.CHECKS)} failed"


@pytest.mark.parametrize(
    ("tier", "asked"), [("contract", 1), ("cluster", 1), ("chaos", 1), ("unit", 0), ("api", 0)]
)
def test_servers_are_seen_to_before_the_tiers_that_need_them(
    tier: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(test_servers, "ensure_servers", lambda: order.append("test_servers"))
    monkeypatch.setattr(test_servers, "ensure_unpacked", lambda: None)

    def run(*_: object, **__: object) -> list[TierResult]:
        order.append("tests")
        return [TierResult(tier, 1, 0, 0, 1.0)]

    monkeypatch.setattr(test_tiers, "_pytest", run)
    test_tiers.run([tier], None, stop=False)

    assert order[: asked + 1] == ["test_servers"] * asked + ["tests"]


class FakeMachine:
    """A machine with some programs, on which apt-get may or may not work."""

    def __init__(self, *programs: str, root: bool = True, works: bool = True) -> None:
        self.programs, self.works = set(programs), works
        self.commands: list[str] = []
        self.machine = Machine(self.programs.__contains__, self.run, lambda: root)

    def run(self, command: Sequence[str]) -> int:
        self.commands.append(" ".join(command))
        if self.works and command[1] == "install":
            self.programs |= {name for name, each in PACKAGES.items() if each in command}
        return 0 if self.works else 100


def test_nothing_is_installed_where_nothing_is_missing() -> None:
    fake = FakeMachine("redis-server", "initdb", "apt-get")

    assert test_servers.ensure_servers(fake.machine)
    assert fake.commands == []


def test_only_what_is_missing_is_installed_and_it_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake = FakeMachine("initdb", "apt-get")

    assert test_servers.ensure_servers(fake.machine)
    assert fake.commands[0].startswith("apt-get update")
    assert fake.commands[1].endswith(" redis-server")
    assert "installing redis-server with apt-get" in capsys.readouterr().out


@pytest.mark.parametrize(
    "fake",
    [
        pytest.param(FakeMachine("apt-get", root=False), id="not root"),
        pytest.param(FakeMachine("initdb"), id="no apt-get"),
    ],
)
def test_what_may_not_be_installed_is_only_said(
    fake: FakeMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not test_servers.ensure_servers(fake.machine)
    assert fake.commands == []
    assert "redis-server" in capsys.readouterr().out


def test_an_apt_get_that_fails_is_not_fatal(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeMachine("apt-get", works=False)

    assert not test_servers.ensure_servers(fake.machine)
    assert "could not install redis-server and postgresql" in capsys.readouterr().out


def test_a_package_that_would_start_a_server_is_unpacked_and_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(test_servers, "FOLDER", tmp_path)
    fake = FakeMachine("apt-get")

    def run(command: Sequence[str]) -> int:
        fake.commands.append(" ".join(command))
        if "download" in command:
            (tmp_path / "prometheus" / "prometheus_1.deb").touch()
        if command[0] == "dpkg-deb":
            fake.programs |= {"promtool", "prometheus"}
        return 0

    assert test_servers.ensure_unpacked(Machine(fake.programs.__contains__, run, lambda: False))

    folder = tmp_path / "prometheus"
    assert fake.commands == [
        f"env --chdir={folder} apt-get download -qq prometheus",
        f"dpkg-deb --extract {folder}/prometheus_1.deb {folder}",
    ]
    assert list(folder.iterdir()) == []


def test_a_package_that_cannot_be_downloaded_is_only_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(test_servers, "FOLDER", tmp_path)
    fake = FakeMachine("apt-get", works=False)

    assert not test_servers.ensure_unpacked(fake.machine)
    assert "no promtool" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["redis-server", "initdb", "postgres", "psql"])
def test_a_server_of_the_environment_goes_before_the_systems(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    of_system = tmp_path / name
    of_system.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    first = test_servers.find_program(name)
    monkeypatch.setattr(test_servers, "WHEELS", {"a_package_that_is_not_there": "bin"})

    assert test_servers.find_program(name) == of_system
    assert first is not None
    assert first.is_relative_to(sys.prefix) == (platform.machine() == "x86_64")


def test_exhaustive_tests_run_only_when_all_are_asked_for() -> None:
    assert test_tiers.selection(TierOptions()) == ["-m", "not exhaustive"]
    thorough = ["--hypothesis-profile", "thorough"]
    everything = TierOptions("clip", stop=True, exhaustive=True)
    assert test_tiers.selection(everything) == ["-k", "clip", "-x", *thorough]


def test_temporary_files_go_into_memory_where_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / f"mobula-tests-{os.geteuid()}"
    monkeypatch.setattr(test_tiers, "REQUIRED_MEMORY_FS_BYTES", 0)

    assert test_tiers.scratch(tmp_path) == test_tiers.scratch(tmp_path) == {"TMPDIR": str(folder)}
    assert folder.is_dir()


def test_temporary_files_stay_on_disk_without_room_or_in_a_folder_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert test_tiers.scratch(tmp_path / "none") == {}
    monkeypatch.setattr(test_tiers, "REQUIRED_MEMORY_FS_BYTES", 1 << 62)
    assert test_tiers.scratch(tmp_path) == {}
    monkeypatch.setattr(test_tiers, "REQUIRED_MEMORY_FS_BYTES", 0)
    (tmp_path / f"mobula-tests-{os.geteuid()}").symlink_to(tmp_path)
    assert test_tiers.scratch(tmp_path) == {}


def test_of_a_tier_that_runs_again_a_part_runs_unless_all_is_asked_for() -> None:
    marks = "every_profile and not exhaustive"
    assert test_tiers.selection(TierOptions(), again=True) == ["-m", marks]
    assert "-m" not in test_tiers.selection(TierOptions(exhaustive=True), again=True)
