"""Local times of zones as instants, with the days on which clocks change."""

from datetime import UTC, datetime

import pytest

from cluster.library.schedule import (
    ScheduledTime,
    TimeDoesNotExist,
    TimeInPast,
    scheduled_time,
    zone_of,
)
from cluster.runtime.problems import InvalidRequest

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-12-24T18:00:00", "Europe/Berlin", "2026-12-24T18:00:00+01:00"),
        ("2026-07-01T18:00", "Europe/Berlin", "2026-07-01T18:00:00+02:00"),
        ("2026-07-01 18:00", "America/New_York", "2026-07-01T18:00:00-04:00"),
        ("2026-07-01T18:00:00Z", None, "2026-07-01T18:00:00+00:00"),
        ("2026-07-01T18:00:00-04:00", "Europe/Berlin", "2026-07-02T00:00:00+02:00"),
        # twice on this day: the first is meant, unless the offset names the second
        ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30:00+01:00", "Europe/Berlin", "2026-10-25T02:30:00+01:00"),
        ("2026-03-29T03:00:00", "Europe/Berlin", "2026-03-29T03:00:00+02:00"),
        ("2026-06-01T12:00:00", "Asia/Kathmandu", "2026-06-01T12:00:00+05:45"),
    ],
)
def test_a_local_time_is_an_instant_of_its_zone(text: str, zone: str | None, expected: str) -> None:
    time = scheduled_time(text, zone, NOW)

    assert time.local == expected
    assert time.at == datetime.fromisoformat(expected).timestamp()


@pytest.mark.parametrize(
    ("text", "zone", "suggested"),
    [
        ("2026-03-29T02:30:00", "Europe/Berlin", "03:30:00"),
        ("2026-03-29T02:00:00", "Europe/Berlin", "03:00:00"),
        ("2026-03-08T02:59:59", "America/New_York", "03:59:59"),
        ("2026-10-04T02:10:00", "Australia/Lord_Howe", "02:40:00"),  # clocks skip half an hour
    ],
)
def test_a_time_that_clocks_skip_is_refused_with_one_that_exists(
    text: str, zone: str, suggested: str
) -> None:
    with pytest.raises(TimeDoesNotExist, match=f"T{suggested}") as refused:
        scheduled_time(text, zone, NOW)
    assert refused.value.param == "at"


@pytest.mark.parametrize("text", ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"])
def test_a_time_that_is_over_is_refused(text: str) -> None:
    with pytest.raises(TimeInPast):
        scheduled_time(text, None, NOW)


@pytest.mark.parametrize(
    ("text", "zone", "param"),
    [
        ("tomorrow", "UTC", "at"),
        ("2026-13-01T00:00:00", "UTC", "at"),
        ("2026-02-29T00:00:00", "UTC", "at"),
        ("2026-02-01", "UTC", "at"),
        ("2026-02-01T00:00:00.5", "UTC", "at"),
        ("2040-01-01T00:00:00", "UTC", "at"),
        ("9999-12-31T23:59:59", "America/New_York", "at"),
        ("2026-02-01T00:00:00", None, "zone"),
        ("2026-02-01T00:00:00", "Mars/Olympus", "zone"),
        ("2026-02-01T00:00:00", "../../etc/passwd", "zone"),
        ("2026-02-01T00:00:00", "", "zone"),
    ],
)
def test_what_is_no_time(text: str, zone: str | None, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        scheduled_time(text, zone, NOW)
    assert refused.value.param == param


def test_every_stored_time_can_be_shown() -> None:
    assert ScheduledTime(0.0, "UTC").local == "1970-01-01T00:00:00+00:00"
    assert zone_of("UTC").key == "UTC"
