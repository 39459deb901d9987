"""`mobula test`: lint and types, then each folder of tests/ as a separate pytest run.

Out: each tier's output, a table of durations, and the last line `N passed, N failed`. Each tier is
a separate process, because Ray reads its environment once.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.cli import test_servers
from cluster.cli.output import fail, print_plain, print_rich
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import ROOT, process_environment

TESTS = ROOT / "tests"
LINT = "lint"
ORDER = ("unit", "contract", "api", "graph", "video", "cluster", "chaos", "browser")
# Tiers that run a second time with these variables: behind Serve's default proxy.
SECOND_RUN = {"cluster": {"MOBULA_TEST_PROFILE": "plain"}}
# pytest-xdist workers of tiers whose files are independent. Each file of chaos starts a cluster, so
# two run at once on any machine.
WORKERS = {
    "unit": "logical",
    "contract": "logical",
    "api": "logical",
    "video": "logical",
    "chaos": "2",
}
ON_REQUEST = ("gpu",)  # run only when selected
CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "--quiet", "."),
    ("mypy",),
)
NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True, slots=True)
class TierResult:
    """The result of one tier."""

    tier: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def run(chosen: Sequence[str], keyword: str | None, stop: bool, exhaustive: bool = False) -> int:
    """The exit code: 0 only if tests ran and none failed.

    Tests marked `exhaustive` run only with `exhaustive`.
    """
    if not TESTS.is_dir():
        return fail("an installed Mobula has no tests: clone the repository and run ./mobula test")
    available_tiers = available()
    unknown = [tier for tier in chosen if tier not in available_tiers]
    if unknown:
        return fail(f"no tier {', '.join(unknown)}; tiers: {', '.join(available_tiers)}")
    tiers = list(chosen) or [tier for tier in available_tiers if tier not in ON_REQUEST]
    results: list[TierResult] = []
    if test_servers.TIERS & set(tiers):
        test_servers.ensure_servers()
    for tier in tiers:
        if tier == LINT:
            results.append(_lint())
            continue
        for changes in ({}, SECOND_RUN[tier]) if tier in SECOND_RUN else ({},):
            results.append(_pytest(tier, selection(keyword, stop, exhaustive), changes))
        if stop and results[-1].failed:
            break
    return _report(results)


def available() -> list[str]:
    """`lint`, then the folders of tests/ that hold tests, quickest first."""
    folders = {path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    return [LINT, *(tier for tier in ORDER if tier in folders), *sorted(folders - set(ORDER))]


def _lint() -> TierResult:
    clock = SystemClock()
    started = clock.monotonic()
    print_rich(f"\n[bold]== {LINT}[/]")
    scripts = Path(sys.executable).parent
    failed = 0
    for name, *arguments in CHECKS:
        print_plain(f"$ {' '.join((name, *arguments))}")
        failed += _call([str(scripts / name), *arguments]) != 0
    return TierResult(LINT, len(CHECKS) - failed, failed, 0, clock.monotonic() - started)


def selection(keyword: str | None, stop: bool, exhaustive: bool) -> list[str]:
    """pytest's options that choose which tests of a tier run."""
    return [
        *(["-k", keyword] if keyword else []),
        *(["-x"] if stop else []),
        *([] if exhaustive else ["-m", "not exhaustive"]),
    ]


def _pytest(tier: str, selected: Sequence[str], changes: Mapping[str, str]) -> TierResult:
    clock = SystemClock()
    started = clock.monotonic()
    name = " ".join([tier, *changes.values()])
    print_rich(f"\n[bold]== {name}[/]")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", "--durations=3", "--durations-min=1", f"--junitxml={report}"]
        options += selected
        options += ["-n", WORKERS[tier], "--dist", "loadfile"] if tier in WORKERS else []
        code = _call([sys.executable, "-m", "pytest", f"tests/{tier}", *options], changes)
        passed, failed, skipped = counts(report)
    if code not in (0, NO_TESTS) and not failed:
        failed = 1  # pytest failed outside of its tests
    return TierResult(name, passed, failed, skipped, clock.monotonic() - started)


def _call(command: Sequence[str], changes: Mapping[str, str] | None = None) -> int:
    return subprocess.run(
        command, cwd=ROOT, env=process_environment(changes), stdin=subprocess.DEVNULL, check=False
    ).returncode


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


def _report(results: Sequence[TierResult]) -> int:
    print_rich("\n[bold]== summary[/]")
    for result in results:
        word = "FAILED" if result.failed else "ok"
        numbers = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"
        print_plain(f"{result.tier:<10} {word:<7} {result.seconds:6.1f} s  {numbers}")
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    print_plain(f"{sum(result.seconds for result in results):.0f} s in all")
    print_plain(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed else 1
