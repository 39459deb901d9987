"""`mobula test`: lint and types, the fast tiers, then each other folder of tests/ by itself.

Out: each run's output, a table of durations, and the last line `N passed, N failed`. The fast tiers
are one pytest run, beside lint: its workers import once what all of them do, and compute for one
tier while tests of another wait. Each other tier is a separate process, because Ray reads its
environment once. Those that compute run beside those that mostly wait for a cluster, and lint takes
what time either leaves. What runs in front prints as it runs, and the output of the others follows,
tier by tier.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.cli import test_servers
from cluster.cli.output import fail, print_plain, print_rich
from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import ROOT, process_environment

TESTS = ROOT / "tests"
LINT = "lint"
ORDER = (
    "unit",
    "contract",
    "api",
    "graph",
    "tools",
    "engines",
    "video",
    "cluster",
    "chaos",
    "browser",
)
# Tiers that run a second time with these variables: behind Serve's default proxy. Without --all,
# only their tests that are marked `every_profile` run again.
SECOND_RUN = {"cluster": {"MOBULA_TEST_PROFILE": "plain"}}
# Tiers that are one run, beside lint. A test of one tier computes while another waits for a server
# or for time to pass, so there are more workers than processors.
FAST = ("unit", "contract", "api")
WAITING_WORKERS = 1
# Tiers whose files are independent run in several workers (tests/forked_workers.py). Tests of
# clusters run one by one: two clusters at once on two processors only delay each other.
IN_WORKERS = frozenset({*FAST, "tools", "engines", "video"})
# Tiers that write many small files: in a memory file system with enough free space, if any.
IN_MEMORY = frozenset({"unit", "contract", "api", "tools"})
MEMORY, REQUIRED_MEMORY_FS_BYTES = Path("/dev/shm"), 4 << 30
ON_REQUEST = ("gpu",)  # run only when selected
# Tiers that compute, one after the other, in the time that the tiers after the fast ones leave:
# those wait for processes to start, to end and to notice each other.
BACKGROUND = ("tools", "engines", "video")
LOWEST_PRIORITY = ("nice", "-n", "19")
IDLE_CLASS = ("chrt", "--idle", "0")  # Linux: runs only while nothing else can
CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "--quiet", "."),
    ("mypy",),
)
NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True, slots=True)
class TestCounts:
    """How the tests of a tier ended, and how long they took one after the other."""

    __test__ = False  # pytest takes it for tests
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TierResult:
    """What one tier did; `output` is what was not printed while it ran.

    `seconds` is the time of its run; of one of several tiers of a run, that of its tests in all
    workers together.
    """

    tier: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str = ""


@dataclass(frozen=True, slots=True)
class TierOptions:
    """Which tests of a tier run: those whose name matches, `exhaustive` ones only if asked for, and
    none after a failure if `stop`."""

    keyword: str | None = None
    stop: bool = False
    exhaustive: bool = False


def run(chosen: Sequence[str], keyword: str | None, stop: bool, exhaustive: bool = False) -> int:
    """The exit code: 0 only if something ran and nothing failed."""
    if not TESTS.is_dir():
        return fail("an installed Mobula has no tests: clone the repository and run ./mobula test")
    known = available()
    unknown = [tier for tier in chosen if tier not in known]
    if unknown:
        return fail(f"no tier {', '.join(unknown)}; tiers: {', '.join(known)}")
    tiers = list(chosen) or [tier for tier in known if tier not in ON_REQUEST]
    if test_servers.TIERS & set(tiers):
        test_servers.ensure_servers()
    if test_servers.UNPACKED_TIERS & set(tiers):
        test_servers.ensure_unpacked()
    clock = SystemClock()
    began = clock.monotonic()
    outcomes = _run_tiers(tiers, TierOptions(keyword, stop, exhaustive))
    return _report(outcomes, clock.monotonic() - began)


def _run_tiers(tiers: Sequence[str], options: TierOptions) -> list[TierResult]:
    """Runs lint beside all tiers, the fast ones first, then the others one after the other; those
    of BACKGROUND beside them, if there are any. Lint runs to its end, also after a failure.
    """
    fast = [tier for tier in FAST if tier in tiers]
    others = [tier for tier in tiers if tier not in (LINT, *FAST)]
    in_front = [tier for tier in others if tier not in BACKGROUND]
    behind = [tier for tier in others if tier in BACKGROUND] if in_front else []
    with ThreadPoolExecutor(2) as executor:
        priority = lowest_priority() if in_front else ()
        lint = [executor.submit(_lint, priority)] if LINT in tiers else []
        outcomes = _pytest(fast, options) if fast else []
        if lint and not in_front:
            outcomes.append(_print_later(lint.pop().result()))
        if not _stops(options, outcomes):
            background = executor.submit(_run_behind, behind, options)
            outcomes += _run_in_turn(in_front or others, options)
            outcomes += [_print_later(outcome) for outcome in background.result()]
        outcomes += [_print_later(each.result()) for each in lint]
    return outcomes


def _run_in_turn(tiers: Sequence[str], options: TierOptions) -> list[TierResult]:
    outcomes: list[TierResult] = []
    for tier in tiers:
        if _stops(options, outcomes):
            break
        outcomes += _pytest([tier], options)
        if tier in SECOND_RUN:
            outcomes += _pytest([tier], options, again=True)
    return outcomes


def _run_behind(tiers: Sequence[str], options: TierOptions) -> list[TierResult]:
    """In turn, at the lowest priority, without a word until all have ended."""
    outcomes: list[TierResult] = []
    for tier in tiers:
        if _stops(options, outcomes):
            break
        outcomes += _pytest([tier], options, lowest_priority(), beside=True)
    return outcomes


def lowest_priority() -> tuple[str, ...]:
    """What a command begins with to run in the time that others leave."""
    return (*IDLE_CLASS, *LOWEST_PRIORITY) if shutil.which(IDLE_CLASS[0]) else LOWEST_PRIORITY


def _stops(options: TierOptions, outcomes: Sequence[TierResult]) -> bool:
    return options.stop and any(outcome.failed for outcome in outcomes)


def _print_later(outcome: TierResult) -> TierResult:
    """Prints the output of what ran beside others."""
    if outcome.output:
        print_rich(f"\n[bold]== {outcome.tier}[/]")
        print_plain(outcome.output.rstrip())
    return outcome


def available() -> list[str]:
    """lint, then the folders of tests/ that hold tests, quickest first."""
    folders = {path.name for path in TESTS.iterdir() if any(path.rglob("test_*.py"))}
    return [LINT, *(tier for tier in ORDER if tier in folders), *sorted(folders - set(ORDER))]


def _lint(priority: Sequence[str]) -> TierResult:
    clock = SystemClock()
    began = clock.monotonic()
    scripts = Path(sys.executable).parent
    failed, lines = 0, []
    for name, *arguments in CHECKS:
        lines.append(f"$ {' '.join((name, *arguments))}")
        code, output = _call([*priority, str(scripts / name), *arguments], {}, quiet=True)
        failed += code != 0
        lines += [output.rstrip()] if output.strip() else []
    seconds, output = clock.monotonic() - began, "\n".join(lines)
    return TierResult(LINT, len(CHECKS) - failed, failed, 0, seconds, output)


def selection(options: TierOptions, again: bool = False) -> list[str]:
    """pytest's options that choose which tests of a tier run, and how long properties are tried.

    `again`: the tier has run before, with another profile.
    """
    marks = "every_profile and not exhaustive" if again else "not exhaustive"
    return [
        *(["-k", options.keyword] if options.keyword else []),
        *(["-x"] if options.stop else []),
        *(["--hypothesis-profile", "thorough"] if options.exhaustive else ["-m", marks]),
    ]


def _pytest(
    tiers: Sequence[str],
    options: TierOptions,
    priority: Sequence[str] = (),
    *,
    again: bool = False,
    beside: bool = False,
) -> list[TierResult]:
    """One pytest run of all `tiers`; prints what pytest does as it comes, unless it runs `beside`
    another."""
    clock = SystemClock()
    began = clock.monotonic()
    profile = {name: value for tier in tiers for name, value in SECOND_RUN.get(tier, {}).items()}
    profile = profile if again else {}
    names = {tier: " ".join([tier, *profile.values()]) for tier in tiers}
    changes = {**profile, **(scratch() if IN_MEMORY.issuperset(tiers) else {})}
    if not beside:
        print_rich(f"\n[bold]== {', '.join(names.values())}[/]")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        arguments = ["-q", "--durations=3", "--durations-min=1", f"--junitxml={report}"]
        arguments += selection(options, again)
        arguments += _workers(tiers)
        folders = [f"tests/{tier}" for tier in tiers]
        command = [*priority, sys.executable, "-m", "pytest", *folders, *arguments]
        code, output = _call(command, changes, quiet=beside)
        counted = counts(report)
    if code not in (0, NO_TESTS) and not any(each.failed for each in counted.values()):
        # It broke before or after its tests.
        counted[tiers[0]] = replace(counted.get(tiers[0], TestCounts()), failed=1)
    results = [_result(names[tier], counted.get(tier, TestCounts())) for tier in tiers]
    if len(results) == 1:
        results = [replace(results[0], seconds=clock.monotonic() - began)]
    return [replace(results[0], output=output), *results[1:]]


def _result(name: str, counted: TestCounts) -> TierResult:
    numbers = (counted.passed, counted.failed, counted.skipped)
    return TierResult(name, *numbers, counted.seconds)


def _workers(tiers: Sequence[str]) -> list[str]:
    """pytest's options for the processes of a run."""
    if not IN_WORKERS.issuperset(tiers):
        return []
    workers = processors() + (WAITING_WORKERS if set(tiers) <= set(FAST) else 0)
    # Tests of two tiers may be called the same.
    return ["--import-mode=importlib", "-p", "tests.forked_workers", "--forks", str(workers)]


def processors() -> int:
    return os.cpu_count() or 1


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


def _call(command: Sequence[str], changes: Mapping[str, str], *, quiet: bool) -> tuple[int, str]:
    """The exit code; and both streams if `quiet`, which are printed otherwise."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=process_environment(changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout or ""


def counts(report: Path) -> dict[str, TestCounts]:
    """What a JUnit report says of each tier; nothing if there is none."""
    found: dict[str, TestCounts] = {}
    cases = ElementTree.parse(report).iter("testcase") if report.exists() else ()
    for case in cases:
        name = case.get("classname") or case.get("name") or ""  # tests.TIER.FOLDER.MODULE
        tier = [*name.split("."), ""][1]
        before = found.get(tier, TestCounts())
        seconds = before.seconds + float(case.get("time") or 0)
        if case.find("failure") is not None or case.find("error") is not None:
            after = replace(before, failed=before.failed + 1)
        elif case.find("skipped") is not None:
            after = replace(before, skipped=before.skipped + 1)
        else:
            after = replace(before, passed=before.passed + 1)
        found[tier] = replace(after, seconds=seconds)
    return found


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
