"""Levels change in a running process, and go back by themselves."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.logs.levels import FILE, MAX_OVERRIDES, LevelOverride, LogLevels
from cluster.runtime.clock import Clock, SystemClock

ROOT, JOBS = logging.getLogger("mobula"), logging.getLogger("mobula.jobs")


class _Hand(Clock):
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> _Hand:
    return _Hand()


@pytest.fixture
def levels(tmp_path: Path, clock: _Hand) -> Iterator[LogLevels]:
    before = ROOT.level
    levels = LogLevels("WARNING", tmp_path, clock)
    yield levels
    levels.close()
    ROOT.setLevel(before)


def _row(level: str, logger: str = "mobula", until: float = 1_600.0, at: float = 1.0) -> Any:
    return {"logger": logger, "level": level, "until": until, "set_at": at}


def test_a_level_applies_to_its_logger_alone(levels: LogLevels) -> None:
    levels.apply([_row("DEBUG", "mobula.jobs")])

    assert JOBS.isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("mobula.audit").isEnabledFor(logging.INFO)


def test_it_goes_back_when_its_time_is_over(levels: LogLevels, clock: _Hand) -> None:
    levels.apply([_row("DEBUG"), _row("ERROR", "mobula.jobs")])
    clock.at = 1_600.0
    levels.expire()

    assert ROOT.level == logging.WARNING
    assert JOBS.level == logging.NOTSET
    assert levels.active() == []


def test_it_goes_back_without_a_further_call(tmp_path: Path) -> None:
    clock = SystemClock()
    before, levels = ROOT.level, LogLevels("WARNING", None, clock)
    levels.apply([_row("DEBUG", until=clock.wall() + 0.05, at=clock.wall())])
    until = time.monotonic() + 10
    while ROOT.level != logging.WARNING and time.monotonic() < until:
        time.sleep(0.01)

    assert ROOT.level == logging.WARNING
    levels.close()
    ROOT.setLevel(before)


def test_the_later_of_two_counts_in_whatever_order_they_come(levels: LogLevels) -> None:
    levels.apply([_row("ERROR", at=2.0)])
    levels.apply([_row("DEBUG", at=1.0)])

    assert ROOT.level == logging.ERROR


def test_what_takes_a_level_back_outlives_it(levels: LogLevels) -> None:
    levels.apply([_row("DEBUG", at=1.0)])
    levels.apply([_row("", at=2.0)])
    levels.apply([_row("DEBUG", at=1.0)])  # from a process that has not heard of it

    assert ROOT.level == logging.WARNING
    assert [each.level for each in levels.active()] == [""]


def test_other_processes_of_the_machine_learn_it_from_the_file(
    levels: LogLevels, tmp_path: Path, clock: _Hand
) -> None:
    levels.apply([_row("DEBUG")])
    other = LogLevels("INFO", tmp_path, clock)
    other.reload()

    assert other.active() == levels.active()
    assert json.loads((tmp_path / FILE).read_bytes()) == levels.report()


@pytest.mark.parametrize("content", [b"", b"[1]", b'[{"logger": "root"}]', b"{"])
def test_a_damaged_file_changes_nothing(levels: LogLevels, tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    levels.reload()

    assert levels.active() == []


@pytest.mark.parametrize(
    ("logger", "level"), [("root", "DEBUG"), ("mobulax", "DEBUG"), ("mobula", "TRACE")]
)
def test_only_loggers_of_ours_and_known_levels(logger: str, level: str) -> None:
    with pytest.raises(ValueError, match="not a level"):
        LevelOverride(logger, level, 2.0, 1.0)


def test_there_are_never_too_many(levels: LogLevels) -> None:
    names = [f"mobula.{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(MAX_OVERRIDES + 5)]
    levels.apply([_row("DEBUG", name, at=float(n)) for n, name in enumerate(names)])

    assert len(levels.active()) == MAX_OVERRIDES
    assert logging.getLogger(names[0]).level == logging.NOTSET
