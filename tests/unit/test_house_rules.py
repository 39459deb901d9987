"""What linters cannot see: who may import whom, how long files get, what every stage has."""

import ast
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from cluster.cli.test_tiers import IN_WORKERS
from cluster.runtime.version import VERSION

ROOT = Path(__file__).parents[2]
LINES = 500
DEPLOYMENT_LINES = 120

SOURCES = sorted(
    path
    for top in ("cluster", "deployments", "graphs", "load_tests", "tests", "training")
    for path in (ROOT / top).rglob("*.py")
)
FORBIDDEN = {
    "cluster": {"deployments", "graphs", "training"},
    "deployments": {"graphs", "training"},
    "graphs": {"training"},
    "training": {"graphs"},
}
# Tasks of a job belong to the job, not to a request.
JOB_RUN = ROOT / "deployments" / "jobs" / "attempt.py"
PRODUCT = {"cluster", "deployments", "graphs", "training"}
OUTERMOST = ROOT / "cluster" / "cli"  # the command line may import anything


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All within `node`, not their expressions: `ast.walk` visits ten times as many nodes."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, block, ()):
            yield child
            yield from statements(child)


@cache
def imports_and_classes(path: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Modules that a file imports, and its classes with their lines: parsed once for all rules."""
    modules: list[str] = []
    classes: list[tuple[str, int]] = []
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
        elif isinstance(node, ast.ClassDef):
            classes.append((node.name, node.lineno))
    return modules, classes


def imports(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imports_and_classes(path)[0]}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_two_test_files_of_a_tier_have_one_name() -> None:
    """pytest imports them by it alone."""
    files = [path.relative_to(ROOT) for path in SOURCES if path.name.startswith("test_")]
    names = Counter((path.parts[1], path.name) for path in files if path.parts[0] == "tests")

    assert [name for name, count in names.items() if count > 1] == []


def test_tests_that_run_in_workers_import_each_other_by_whole_names() -> None:
    """Their folders are not on the path, because modules of two tiers may be called the same."""
    bare = re.compile(r"^(?:from|import) (\w+)(?= import|$)", re.MULTILINE)
    found = {
        name(path): word
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] == "tests" and path.parent.name != "tests"
        if path.relative_to(ROOT).parts[1] in IN_WORKERS
        for word in bare.findall(path.read_text())
        if (path.parent / f"{word}.py").is_file()
    }
    assert found == {}


def test_no_module_is_longer_than_the_limit() -> None:
    def limit(path: Path) -> int:
        return DEPLOYMENT_LINES if path.name == "deployment.py" else LINES

    lines = {name(path): len(path.read_text().splitlines()) - limit(path) for path in SOURCES}
    assert {path: over for path, over in lines.items() if over > 0} == {}


def test_every_module_says_what_flows_through_it() -> None:
    def silent(path: Path) -> bool:
        text = path.read_text()
        return bool(text.strip()) and not text.startswith('"""')

    assert [name(path) for path in SOURCES if silent(path)] == []


def test_imports_point_down_the_request_path() -> None:
    def wrong(path: Path) -> set[str]:
        top = path.relative_to(ROOT).parts[0]
        if top not in FORBIDDEN or OUTERMOST in path.parents:
            return set()
        return imports(path) & FORBIDDEN[top]

    assert {name(path): wrong(path) for path in SOURCES if wrong(path)} == {}


def test_a_class_name_is_used_once_outside_the_schemas() -> None:
    """One word, one meaning; a leading underscore does not make another word of it."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] in PRODUCT and path.parent.name != "schemas":
            for class_name, line in imports_and_classes(path)[1]:
                places[class_name.lstrip("_")].append(f"{name(path)}:{line}")

    assert {word: where for word, where in places.items() if len(where) > 1} == {}


def folder(module: str) -> str | None:
    """The folder, two levels deep, of a module of the repository; None for other modules."""
    path = ROOT / module.replace(".", "/")
    if path.with_suffix(".py").is_file():
        path = path.parent
    return "/".join(path.relative_to(ROOT).parts[:2]) if path.is_dir() else None


@pytest.mark.parametrize("top", ["cluster", "deployments"])
def test_the_imports_of_folders_form_no_circle(top: str) -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for path in (path for path in SOURCES if path.relative_to(ROOT).parts[0] == top):
        source = "/".join(path.relative_to(ROOT).parts[:-1][:2])
        modules = imports_and_classes(path)[0]
        targets = {folder(each) for each in modules if each.startswith(f"{top}.")}
        graph[source] |= {target for target in targets if target and target != source}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def with_bases(path: Path) -> str:
    """The source of a deployment and of the bases of replicas (replica.py) that it imports."""
    modules = [each for each in imports_and_classes(path)[0] if each.endswith(".replica")]
    bases = {ROOT / f"{module.replace('.', '/')}.py" for module in modules}
    return "".join([path.read_text(), *map(with_bases, sorted(bases))])


def test_every_deployment_checks_its_health() -> None:
    for path in ROOT.glob("deployments/**/deployment.py"):
        assert "async def check_health" in with_bases(path), path


def test_every_deployment_tells_how_late_its_event_loop_runs() -> None:
    """`bench hostile-input` asks each by handle."""
    for path in ROOT.glob("deployments/**/deployment.py"):
        assert "async def loop_lag(self) -> float" in with_bases(path), path


def test_the_version_is_the_same_everywhere() -> None:
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text()


def test_nothing_names_this_machine_or_a_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    words = ("/" + "work/", "pypi" + ".org", "files.python" + "hosted", "download.py" + "torch")
    for file in filter(None, listed.stdout.split("\0")):
        path = ROOT / file
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt", ""} and path.is_file():
            text = path.read_text(errors="ignore")
            assert not any(word in text for word in words), file


def test_a_task_that_an_object_keeps_is_begun_with_the_object_or_belongs_to_no_request() -> None:
    """Begun by a request, it would end with the request, whoever else waits for it by then."""

    def begins(node: ast.AST) -> bool:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return False
        return node.func.attr in {"create_task", "ensure_future"}

    def kept(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[int]:
        return [
            node.lineno
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Attribute) for target in node.targets)
            and any(begins(part) for part in ast.walk(node.value))
        ]

    found = [
        f"{name(path)}:{line}"
        for path in SOURCES
        if path.relative_to(ROOT).parts[0] in {"cluster", "deployments"} and path != JOB_RUN
        if any(word in path.read_text() for word in ("create_task", "ensure_future"))
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        if function.name not in {"start", "__init__"}
        for line in kept(function)
    ]
    assert found == []
