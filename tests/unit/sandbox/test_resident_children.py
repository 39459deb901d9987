"""A confined child that answers many requests: how they travel, and what becomes of a bad one."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments.sandbox import ChildLimits
from deployments.sandbox.python_child import python_command
from deployments.sandbox.resident_child import ChildEnded, ResidentChild

TIMEOUT_S = 60.0
LIMITS = ChildLimits(memory_bytes=1 << 30, cpu_s=30)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[ResidentChild]:
    command = python_command(
        "tests.unit.sandbox.resident_program", tmp_path, ("greeting",), LIMITS, 1, ()
    )
    child = ResidentChild(command)
    assert child.receive(TIMEOUT_S) == {"ready": "greeting"}
    yield child
    child.kill()


def ask(child: ResidentChild, what: str, data: bytes = b"", timeout_s: float = TIMEOUT_S) -> Any:
    return child.request({"do": what, "bytes": len(data)}, data, timeout_s)


def test_requests_are_answered_one_after_another_by_one_process(child: ResidentChild) -> None:
    large = os.urandom(3 << 20)

    first = ask(child, "sum", large)
    second = ask(child, "sum", b"\x01\x02\n")

    assert first["sum"] == sum(large[:1000])
    assert (second["sum"], second["pid"]) == (13, first["pid"])
    assert child.is_running()


def test_what_it_prints_is_no_answer(child: ResidentChild) -> None:
    assert ask(child, "print")["sum"] == 0


def test_a_fault_in_one_request_is_answered_and_the_next_one_too(child: ResidentChild) -> None:
    assert ask(child, "raise") == {"problem": "fault"}
    assert ask(child, "sum", b"\x05")["sum"] == 5


@pytest.mark.parametrize("what", ["exit", "garbage", "list"])
def test_a_child_that_ends_or_lies_is_gone(child: ResidentChild, what: str) -> None:
    with pytest.raises(ChildEnded):
        ask(child, what)
    assert not psutil.pid_exists(child.pid)


def test_one_that_is_silent_is_killed_when_its_time_is_up(child: ResidentChild) -> None:
    with pytest.raises(ChildEnded) as ended:
        ask(child, "sleep", timeout_s=0.3)
    assert ended.value.timed_out
    assert not psutil.pid_exists(child.pid)


def test_a_kill_from_outside_is_noticed(child: ResidentChild) -> None:
    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(ChildEnded):
        ask(child, "sum")
    assert not child.is_running()


def test_it_is_confined(child: ResidentChild) -> None:
    assert ask(child, "escape") == {"files": "closed", "network": "closed", "processes": "closed"}


def test_it_ends_with_the_thread_that_started_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        command = python_command(
            "tests.unit.sandbox.resident_program", tmp_path, ("x",), LIMITS, 1, ()
        )
        child = pool.submit(ResidentChild, command).result()
        pool.submit(child.receive, TIMEOUT_S).result()
    psutil.Process(child.pid).wait(TIMEOUT_S) if psutil.pid_exists(child.pid) else None
    assert not child.is_running()
    child.kill()
