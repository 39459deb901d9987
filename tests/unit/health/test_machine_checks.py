"""The disk's room, and the clock's steps and offset."""

from pathlib import Path

import pytest

from cluster.health.checks.clock import STEP_SHOWN_S, ClockCheck
from cluster.health.checks.disk import DiskCheck, rate_room
from cluster.runtime.clock import ManualClock
from cluster.storage.database import DatabaseUnavailable

GIB = 1 << 30


class SteppedClock(ManualClock):
    def set_by(self, seconds: float) -> None:
        """Only the wall clock."""
        self._wall += seconds


@pytest.mark.parametrize(
    ("free", "total", "state"),
    [
        (50 * GIB, 100 * GIB, "up"),
        (4 * GIB, 100 * GIB, "degraded"),
        (GIB // 2, 4 * GIB, "degraded"),
        (GIB // 20, 4 * GIB, "down"),
    ],
)
def test_little_room_is_degraded_and_none_is_down(free: int, total: int, state: str) -> None:
    assert rate_room(free, total).state == state


async def test_a_folder_that_cannot_be_written_to_is_down(tmp_path: Path) -> None:
    found = await DiskCheck(tmp_path / "missing")()

    assert found.state == "down"
    assert found.detail.startswith("cannot be written to")


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_a_check_of_a_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    await DiskCheck(tmp_path)()

    assert names_in(tmp_path) == []


@pytest.mark.parametrize("step_s", [3600.0, -30.0])
async def test_a_clock_that_was_set_is_degraded_for_a_while(step_s: float) -> None:
    clock = SteppedClock()
    check = ClockCheck(clock)
    assert (await check()).state == "up"

    clock.advance(5.0)
    clock.set_by(step_s)

    assert (await check()).detail == f"was set by {step_s:+.1f} s, 0 s ago"
    clock.advance(STEP_SHOWN_S + 1)
    assert (await check()).state == "up"


@pytest.mark.parametrize(
    ("offset_s", "state"), [(0.5, "up"), (2.0, "degraded"), (-2.0, "degraded"), (300.0, "down")]
)
async def test_a_clock_that_differs_from_the_server_s_says_by_how_much(
    offset_s: float, state: str
) -> None:
    clock = ManualClock()

    async def server() -> float:
        return clock.wall() - offset_s

    found = await ClockCheck(clock, server)()

    assert found.state == state
    assert (f"{offset_s:+.1f} s" in found.detail) == (state != "up")


async def test_a_server_that_does_not_answer_says_nothing_of_the_clock() -> None:
    async def server() -> float:
        raise DatabaseUnavailable

    assert (await ClockCheck(ManualClock(), server)()).state == "up"
