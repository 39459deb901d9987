"""`./mobula bench`: every benchmark by its own name and by its group."""

import importlib.util

import pytest

from cluster.cli.bench import GROUPS
from tests.command_line import run_command

NAMES = [(group, name) for group in GROUPS for name in GROUPS[group].benchmarks]
Call = tuple[str, list[str]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The modules that would have run, with their arguments."""
    recorded: list[Call] = []

    def record(module: str, arguments: list[str]) -> int:
        recorded.append((module, list(arguments)))
        return 3

    monkeypatch.setattr("cluster.cli.run_module.main_of", record)
    return recorded


def bench(*arguments: str) -> tuple[int, str]:
    result = run_command(["bench", *arguments])
    return result.exit_code, result.output


def test_every_benchmark_has_one_name_and_a_module() -> None:
    names = [name for _, name in NAMES]
    assert len(names) == len(set(names))
    for group, name in NAMES:
        module = f"load_tests.benchmarks.{group}.bench_{name.replace('-', '_')}"
        assert importlib.util.find_spec(module) is not None, module


def test_one_help_page_lists_every_group_and_benchmark() -> None:
    code, page = bench("--help")

    assert code == 0
    assert all(f"Group {group}" in page for group in GROUPS)
    assert all(name in page for _, name in NAMES)


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_a_benchmark_runs_by_its_name_alone_and_within_its_group(
    group: str, name: str, calls: list[Call]
) -> None:
    assert bench(name, "--rounds", "2")[0] == 3
    assert bench(group, name, "--rounds", "2")[0] == 3

    module = f"load_tests.benchmarks.{group}.bench_{name.replace('-', '_')}"
    assert calls == [(module, ["--rounds", "2"])] * 2


@pytest.mark.parametrize("group", [group for group in GROUPS if group in GROUPS[group].benchmarks])
def test_a_group_with_the_name_of_a_benchmark_runs_it_unless_another_is_named(
    group: str, calls: list[Call]
) -> None:
    own = f"load_tests.benchmarks.{group}.bench_{group}"

    assert bench(group)[0] == 3
    code, page = bench(group, "--help")

    assert code == 3
    assert all(f"bench {group} {name} " in page for name in GROUPS[group].benchmarks)
    assert calls == [(own, []), (own, ["--help"])]


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_a_group_alone_lists_its_benchmarks(arguments: list[str], calls: list[Call]) -> None:
    code, page = bench("faults", *arguments)

    assert code == 0
    assert all(name in page for name in GROUPS["faults"].benchmarks)
    assert calls == []


def test_an_unknown_benchmark_of_a_group_is_refused_with_the_known_ones(calls: list[Call]) -> None:
    code, page = bench("scaling", "chaos")

    assert code == 2
    assert "autoscaling, routing" in page
    assert calls == []
