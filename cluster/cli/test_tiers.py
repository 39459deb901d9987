"""`mobula test`: lint and types, then each folder of tests/ as a separate pytest run.

Out: each tier's output, a table of durations, and the last line `N passed, N failed`. Each tier is
a separate process, because Ray reads its environment once. Lint runs beside the unit tier, and what
its tools say comes after.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from cluster.cli import test_servers
from cluster.cli.output import fail, print_plain, print_rich
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import ROOT, process_environment

TESTS = ROOT / "tests"
LINT = "lint"
BESIDE_LINT = "unit"  # runs meanwhile, because mypy uses one processor
ORDER = ("unit", "contract", "api", "graph", "video", "cluster", "chaos", "browser")
# Tiers that run a second time with these variables: behind Serve's default proxy. Without --all,
# only their tests that are marked `every_profile` run again.
SECOND_RUN = {"cluster": {"MOBULA_TEST_PROFILE": "plain"}}
# pytest-xdist workers of tiers whose files are independent; some conftests choose other groups.
# Tests of clusters run one by one: two clusters at once on two processors only delay each other.
WORKERS = {
    "unit": "logical",
    "contract": "logical",
    "api": "logical",
    "video": "logical",
}
# Tiers that write many small files: in a memory file system with enough free space, if any.
IN_MEMORY = frozenset({"unit", "contract", "api"})
MEMORY, REQUIRED_MEMORY_FS_BYTES = Path("/dev/shm"), 4 << 30
ON_REQUEST = ("gpu",)  # run only when selected
CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "--quiet", "."),
    ("mypy",),
)
NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True, slots=True)
class TierResult:
    """What one tier did."""

    tier: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def run(chosen: Sequence[str], keyword: str | None, stop: bool, exhaustive: bool = False) -> int:
    """The exit code: 0 only if something ran and nothing failed.

    Tests marked `exhaustive` run only if asked for.
    """
    if not TESTS.is_dir():
        return fail("an installed Mobula has no tests: clone the repository and run ./mobula test")
    known = available()
    unknown = [tier for tier in chosen if tier not in known]
    if unknown:
        return fail(f"no tier {', '.join(unknown)}; tiers: {', '.join(known)}")
    tiers = list(chosen) or [tier for tier in known if tier not in ON_REQUEST]
    if test_servers.TIERS & set(tiers):
        test_servers.ensure_servers()
    clock = SystemClock()
    began = clock.monotonic()
    outcomes = _run_tiers(tiers, keyword, stop, exhaustive)
    return _report(outcomes, clock.monotonic() - began)


def _run_tiers(
    tiers: Sequence[str], keyword: str | None, stop: bool, exhaustive: bool
) -> list[TierResult]:
    """Runs one tier after the other, but lint beside the next one if that is BESIDE_LINT."""
    outcomes: list[TierResult] = []
    with ThreadPoolExecutor(1, "lint") as executor:
        lint: Future[tuple[TierResult, str]] | None = None
        for tier, following in zip_longest(tiers, tiers[1:]):
            if tier == LINT:
                lint = executor.submit(_lint)
            else:
                outcomes.append(_pytest(tier, selection(keyword, stop, exhaustive), {}))
            if tier in SECOND_RUN:
                again = selection(keyword, stop, exhaustive, again=True)
                outcomes.append(_pytest(tier, again, SECOND_RUN[tier]))
            if lint is not None and not (tier == LINT and following == BESIDE_LINT):
                outcome, output = lint.result()
                print_rich(f"\n[bold]== {LINT}[/]")
                print_plain(output)
                outcomes.append(outcome)
                lint = None
            if stop and any(outcome.failed for outcome in outcomes):
                break
    return outcomes


def available() -> list[str]:
    """lint, then the folders of tests/ that hold tests, quickest first."""
    folders = {path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    return [LINT, *(tier for tier in ORDER if tier in folders), *sorted(folders - set(ORDER))]


def _lint() -> tuple[TierResult, str]:
    """The outcome, and what the tools said."""
    clock = SystemClock()
    began = clock.monotonic()
    scripts = Path(sys.executable).parent
    failed, lines = 0, []
    for name, *arguments in CHECKS:
        lines.append(f"$ {' '.join((name, *arguments))}")
        code, output = _call_quietly([str(scripts / name), *arguments])
        failed += code != 0
        lines += [output.rstrip()] if output.strip() else []
    seconds = clock.monotonic() - began
    return TierResult(LINT, len(CHECKS) - failed, failed, 0, seconds), "\n".join(lines)


def selection(keyword: str | None, stop: bool, exhaustive: bool, again: bool = False) -> list[str]:
    """pytest's options that choose which tests of a tier run, and how long properties are tried.

    `again`: the tier has run before, with another profile.
    """
    marks = "every_profile and not exhaustive" if again else "not exhaustive"
    return [
        *(["-k", keyword] if keyword else []),
        *(["-x"] if stop else []),
        *(["--hypothesis-profile", "thorough"] if exhaustive else ["-m", marks]),
    ]


def _pytest(tier: str, selected: Sequence[str], changes: Mapping[str, str]) -> TierResult:
    clock = SystemClock()
    began = clock.monotonic()
    name = " ".join([tier, *changes.values()])
    changes = {**changes, **(scratch() if tier in IN_MEMORY else {})}
    print_rich(f"\n[bold]== {name}[/]")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "--durations=3", "--durations-min=1", f"--junitxml={report}"]
        options += selected
        options += ["-n", WORKERS[tier], "--dist", "loadfile"] if tier in WORKERS else []
        code = _call([sys.executable, "-m", "pytest", f"tests/{tier}", *options], changes)
        passed, failed, skipped = counts(report)
    if code not in (0, NO_TESTS) and not failed:
        failed = 1  # it broke before or after its tests
    return TierResult(name, passed, failed, skipped, clock.monotonic() - began)


def scratch(memory: Path = MEMORY) -> dict[str, str]:
    """The variable that puts temporary files into `memory`; none without room or permission.

    The folder stays: pytest keeps what failed tests of the last runs wrote, and nothing else.
    """
    folder = memory / f"mobula-tests-{os.geteuid()}"
    try:
        if shutil.disk_usage(memory).free < REQUIRED_MEMORY_FS_BYTES:
            return {}
        folder.mkdir(mode=0o755, exist_ok=True)
        is_ours = not folder.is_symlink() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return {}
    return {"TMPDIR": str(folder)} if is_ours else {}


def _call(command: Sequence[str], changes: Mapping[str, str] | None = None) -> int:
    return subprocess.run(
        command, cwd=ROOT, env=process_environment(changes), stdin=subprocess.DEVNULL, check=False
    ).returncode


def _call_quietly(command: Sequence[str]) -> tuple[int, str]:
    """The exit code, and both streams."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=process_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def counts(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of a JUnit report; zeros if there is none."""
    if not report.exists():
        return 0, 0, 0
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def _report(outcomes: Sequence[TierResult], seconds: float) -> int:
    print_rich("\n[bold]== summary[/]")
    for outcome in outcomes:
        word = "FAILED" if outcome.failed else "ok"
        numbers = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
        print_plain(f"{outcome.tier:<10} {word:<7} {outcome.seconds:6.1f} s  {numbers}")
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    print_plain(f"{seconds:.0f} s in all")
    print_plain(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed else 1
