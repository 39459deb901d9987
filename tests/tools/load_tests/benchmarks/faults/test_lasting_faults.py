"""Faults that last while they are entered: each is made, and mended at its end."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from load_tests.benchmarks.common.free_port import free_port
from load_tests.benchmarks.faults.bench_health import FaultSighting, build_measurements
from load_tests.benchmarks.faults.injections.held_write_lock import HeldWriteLock
from load_tests.benchmarks.faults.injections.lasting_faults import LASTING_FAULTS
from load_tests.benchmarks.faults.injections.poisoned_tenant import PoisonedTenant
from load_tests.benchmarks.faults.injections.replica_memory import free_memory, hold_memory
from load_tests.benchmarks.faults.injections.samples import sum_samples
from load_tests.benchmarks.faults.injections.small_disk import SmallDisk
from load_tests.benchmarks.faults.injections.stopped_processes import StoppedProcesses
from load_tests.benchmarks.faults.injections.webhook_receiver import WebhookReceiver

SCRAPE = """# TYPE mobula_model_links gauge
mobula_model_links{model="frail",replica="a"} 1
mobula_model_links{model="frail",replica="b"} 2
mobula_model_links{model="steady",replica="a"} 4
mobula_limit_authority_up{replica="a"} 1
mobula_http_requests_total{route="/a\\"b",code="200"} 7 # {trace_id="1"} 0.1
"""


def poll(holds: Callable[[], object], limit_s: float = 20.0) -> None:
    until = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ('mobula_model_links{model="frail"}', 3.0),
        ("mobula_model_links", 7.0),
        ("mobula_limit_authority_up", 1.0),
        ('mobula_http_requests_total{code="200"}', 7.0),
        ('mobula_model_links{model="other"}', None),
        ("mobula_model", None),
    ],
)
def test_samples_are_summed_over_replicas(selector: str, value: float | None) -> None:
    assert sum_samples(SCRAPE, selector) == value


@pytest.fixture
def sleepers() -> Iterator[Callable[[], psutil.Process]]:
    """Starts a process that does nothing."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> psutil.Process:
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return psutil.Process(started[-1].pid)

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_processes_and_their_successors_are_stopped_until_the_end(
    sleepers: Callable[[], psutil.Process],
) -> None:
    first, second = sleepers(), sleepers()
    processes: dict[str, Sequence[psutil.Process]] = {"worker": [first]}

    def by_kind() -> Mapping[str, Sequence[psutil.Process]]:
        return processes

    with StoppedProcesses(by_kind, "worker"):
        poll(lambda: first.status() == psutil.STATUS_STOPPED)
        processes["worker"] = [first, second]
        poll(lambda: second.status() == psutil.STATUS_STOPPED)

    poll(lambda: psutil.STATUS_STOPPED not in (first.status(), second.status()))


def test_processes_can_be_killed_first(sleepers: Callable[[], psutil.Process]) -> None:
    process = sleepers()

    with StoppedProcesses(lambda: {"worker": [process]}, "worker", signal.SIGKILL):
        poll(lambda: process.status() == psutil.STATUS_ZOMBIE)


def test_a_kind_without_processes_cannot_be_stopped() -> None:
    with pytest.raises(LookupError), StoppedProcesses(dict, "worker"):
        pass


def test_a_held_lock_makes_writers_wait_and_readers_not(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with sqlite3.connect(file) as setup:
        setup.execute("PRAGMA journal_mode=WAL")
        setup.execute("CREATE TABLE t (x)")
    writer = sqlite3.connect(file, timeout=0, isolation_level=None)

    def is_locked() -> bool:
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        writer.execute("ROLLBACK")
        return False

    with HeldWriteLock(file, hold_s=60.0):
        poll(is_locked)
        assert writer.execute("SELECT count(*) FROM t").fetchone() == (0,)

    assert not is_locked()
    writer.close()


def test_a_full_disk_takes_nothing_until_it_is_mended(tmp_path: Path) -> None:
    try:
        disk = SmallDisk(tmp_path / "disk", 8 << 20).__enter__()
    except PermissionError:
        pytest.skip("mounting is not permitted here")
    try:
        file = disk.folder / "file"
        file.write_bytes(bytes(1 << 20))
        with disk.full(), pytest.raises(OSError, match="No space left"):
            file.write_bytes(bytes(4 << 20))
        file.write_bytes(bytes(4 << 20))
    finally:
        disk.__exit__(None, None, None)
    assert not os.path.ismount(disk.folder)


def test_a_receiver_refuses_for_a_while() -> None:
    with WebhookReceiver() as receiver:
        with receiver.failing():
            assert httpx.post(receiver.url, content=b"{}").status_code == 500
        assert httpx.post(receiver.url, content=b"{}").status_code == 204
    assert (receiver.taken, receiver.refused) == (1, 1)


def test_a_poisoned_tenant_goes_on_where_nothing_answers() -> None:
    with PoisonedTenant(f"http://127.0.0.1:{free_port()}", "key", "words") as tenant:
        poll(lambda: tenant.sent >= 3)


def test_leaked_memory_is_resident_and_given_back() -> None:
    process = psutil.Process()
    before = process.memory_info().rss

    assert hold_memory(None, 64) == 64
    held = process.memory_info().rss
    free_memory(None)

    assert held - before > 48 << 20


def test_every_fault_names_its_part_and_what_tells() -> None:
    assert list(LASTING_FAULTS) == [
        "dead-model",
        "slow-store",
        "full-disk",
        "redis-away",
        "dropped-webhook",
        "poisoned-tenant",
        "leak",
        "stuck-job",
    ]
    assert all(fault.part and fault.metric for fault in LASTING_FAULTS.values())


def test_a_fault_that_was_not_seen_misses_its_targets() -> None:
    seen = FaultSighting("dead-model", "the model", "model:frail", "mobula_model_links")
    assert [each.met for each in build_measurements(seen)] == [False, False]

    seen.shown_s, seen.back_s = 7.0, 12.0
    assert [each.met for each in build_measurements(seen)] == [True, True]


def test_a_fault_that_no_dependency_shows_is_reported_by_its_metric() -> None:
    seen = FaultSighting("leak", "a replica", None, "memory", before=10.0, during=10.0)
    assert [each.met for each in build_measurements(seen)] == [False]

    seen.during = 90.0
    assert [each.met for each in build_measurements(seen)] == [True]
