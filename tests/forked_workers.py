"""pytest's option `--forks N`: tests run in processes that are forked after the collection.

Every module is imported, and every test collected, once for all of them; a worker of pytest-xdist
does both again. A worker takes the next group of tests when it is done with one: the tests of a
file in their order, or what the hook `pytest_fork_group` of a conftest says. Each worker has its
own fixtures of the session. What the tests report goes through a pipe to the first process, which
counts and prints it as if it had run them. What `tests/servers/made_once.py` makes, it makes once
for all of them.
"""

import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from ctypes import c_int
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import pytest

from tests.servers.made_once import run_folder

Groups = Sequence[Sequence[pytest.Item]]
END_S = 10.0  # how long a worker waits, after its last test, for threads that tests have left
_FORK = multiprocessing.get_context("fork")


class Hooks:
    """What this plugin asks of conftests."""

    @pytest.hookspec(firstresult=True)
    def pytest_fork_group(self, item: pytest.Item) -> str | None:
        """Tests of one group that follow each other run in one worker (None: those of a file)."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forks", type=int, default=0, help="processes that run the tests (0: this one)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Leaves to pytest what needs no workers, and errors of the collection."""
    options = session.config.option
    groups = grouped(session.items)
    workers = min(options.forks, len(groups))
    if workers < 2 or session.testsfailed or options.collectonly:
        return None
    ForkedRun(session, groups).run(workers)
    return True


def grouped(items: Sequence[pytest.Item]) -> list[list[pytest.Item]]:
    """The tests of each group; a tier's largest groups first, and the tiers in turn.

    So tests that wait run beside tests that compute, and the last groups are small.
    """
    groups = [list(group) for _, group in groupby(items, group_of)]
    tiers: dict[str, list[list[pytest.Item]]] = {}
    for group in sorted(groups, key=len, reverse=True):
        tiers.setdefault("/".join(group[0].nodeid.split("/")[:2]), []).append(group)
    places = (
        ((number + 0.5) / len(tier), group)
        for tier in tiers.values()
        for number, group in enumerate(tier)
    )
    return [group for _, group in sorted(places, key=lambda place: place[0])]


def group_of(item: pytest.Item) -> str:
    return item.ihook.pytest_fork_group(item=item) or str(item.path)


@dataclass(frozen=True, eq=False)
class Worker:
    """A process, its end of the pipe, and the number of the last test that it has begun."""

    process: ForkProcess
    reports: Connection
    begun: c_int


class ForkedRun:
    """The tests of a session in several processes."""

    def __init__(self, session: pytest.Session, groups: Groups) -> None:
        self._session = session
        self._groups = groups
        self._taken: Synchronized[int] = _FORK.Value("i", 0)

    def run(self, number: int) -> None:
        """On a `number` of workers. Raises what pytest raises when enough tests have failed."""
        run_folder()
        base = self._session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        workers = [self._start(base / f"fork-{each}") for each in range(number)]
        try:
            self._pass_on(workers)
        except BaseException:
            for worker in workers:
                worker.process.terminate()
            raise
        finally:
            for worker in workers:
                worker.process.join(END_S)
                worker.process.kill()
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _start(self, folder: Path) -> Worker:
        reader, writer = _FORK.Pipe(duplex=False)
        begun = _FORK.Value("i", 0, lock=False)
        process = _FORK.Process(target=self._work, args=(writer, begun, folder))
        process.start()
        writer.close()
        return Worker(process, reader, begun)

    def _pass_on(self, workers: Iterable[Worker]) -> None:
        """Passes all messages on to pytest, until all workers have ended."""
        running = set(workers)
        while running:
            # A process that a test has left may hold a pipe open.
            wait([source for each in running for source in (each.reports, each.process.sentinel)])
            running = {worker for worker in running if self._receive(worker)}
            if self._session.shouldfail or self._session.shouldstop:
                self._stop()

    def _stop(self) -> None:
        """No worker begins another test."""
        self._taken.value = -1

    def _receive(self, worker: Worker) -> bool:
        """Passes messages on to pytest; False when the worker has ended."""
        try:
            while worker.reports.poll():
                message = worker.reports.recv()
                if message is None:
                    return False
                self._replay(message)
        except EOFError:
            worker.process.join()
        if worker.process.is_alive():
            return True
        self._report_death(worker)
        return False

    def _replay(self, message: list[Any]) -> None:
        """As if the test had run here."""
        hook, config = self._session.config.hook, self._session.config
        for content in message:
            report = content
            if isinstance(content, dict):
                report = hook.pytest_report_from_serializable(config=config, data=content)
            hook.pytest_runtest_logreport(report=report)

    def _report_death(self, worker: Worker) -> None:
        """The last test of a worker that did not come to its end has failed; the rest of its file
        does not run."""
        item = self._session.items[worker.begun.value]
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=f"the worker's process ended with code {worker.process.exitcode}",
            when="call",
        )
        self._session.config.hook.pytest_runtest_logreport(report=report)

    def _work(self, reports: Connection, begun: c_int, folder: Path) -> None:
        """A worker's life."""
        config = self._session.config
        _separate(config, folder)
        config.pluginmanager.register(Reporter(config, reports))
        numbers = {item: number for number, item in enumerate(self._session.items)}
        following = self._tests()
        item = next(following, None)
        while item is not None:
            begun.value = numbers[item]
            next_item = next(following, None)
            config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
            item = None if self._taken.value < 0 else next_item
            if item is None and next_item is not None:
                self._session._setupstate.teardown_exact(None)
        reports.send(None)

    def _tests(self) -> Iterator[pytest.Item]:
        """Those of one group after the other, each of which no other worker has taken."""
        while True:
            with self._taken.get_lock():
                number = self._taken.value
                if not 0 <= number < len(self._groups):
                    return
                self._taken.value += 1
            yield from self._groups[number]


class Reporter:
    """Sends a worker's reports to the first process, which alone prints and counts them: those of
    a test together."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config = config
        self._connection = connection
        self._reports: list[object] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook, content = self._config.hook, report
        if report.longrepr is not None:  # it may hold what cannot be pickled
            content = hook.pytest_report_to_serializable(config=self._config, report=report)
        self._reports.append(content)

    def pytest_runtest_logfinish(self) -> None:
        self._connection.send(self._reports)
        self._reports.clear()


def _separate(config: pytest.Config, folder: Path) -> None:
    """A worker shares neither captured output nor temporary files, and prints nothing."""
    plugins = config.pluginmanager
    for plugin in list(plugins.get_plugins()):
        if type(plugin).__name__ in ("TerminalReporter", "LogXML"):
            plugins.unregister(plugin)
    capture: Any = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()
    factory = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._given_basetemp, factory._basetemp = folder, None
    tempfile.tempdir = None
