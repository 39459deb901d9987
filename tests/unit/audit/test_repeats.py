"""What strangers can cause again and again is told once, and then once a minute with its count."""

from dataclasses import replace

from cluster.audit.record import AuditRecord
from cluster.audit.repeats import FLUSH_INTERVAL_S, MAX_KINDS, Repeats
from cluster.runtime.clock import ManualClock

FAILED = AuditRecord(
    1.0, "-", "anonymous", "auth.login", "session", "unauthenticated", "req", {"address": "a"}
)


def test_the_first_comes_at_once_and_repeats_come_once_a_minute_with_their_count() -> None:
    told: list[AuditRecord] = []
    clock = ManualClock()
    repeats = Repeats(told.append, clock)
    for _ in range(500):
        repeats.note(FAILED)
        repeats.flush()
    assert told == [FAILED]

    clock.advance(FLUSH_INTERVAL_S)
    repeats.flush()
    repeats.flush()

    assert len(told) == 2
    assert (told[1].action, told[1].outcome, told[1].request_id) == (
        "auth.login",
        "unauthenticated",
        "",
    )
    assert told[1].detail == {"address": "a", "repeats": 499}

    clock.advance(FLUSH_INTERVAL_S)
    repeats.flush()
    repeats.note(FAILED)
    assert told[2:] == [FAILED]


def test_what_differs_in_address_or_outcome_is_told_apart() -> None:
    told: list[AuditRecord] = []
    repeats = Repeats(told.append, ManualClock())
    other = replace(FAILED, outcome="rate-limited")
    elsewhere = replace(FAILED, detail={"address": "b"})
    for record in (FAILED, other, elsewhere):
        repeats.note(record)
    assert told == [FAILED, other, elsewhere]


def test_from_very_many_addresses_comes_one_line_a_minute() -> None:
    told: list[AuditRecord] = []
    clock = ManualClock()
    repeats = Repeats(told.append, clock)
    for number in range(10 * MAX_KINDS):
        repeats.note(replace(FAILED, detail={"address": str(number)}))
    assert len(told) == MAX_KINDS + 1

    repeats.flush(everything=True)
    assert len(told) == MAX_KINDS + 2
    assert told[-1].detail == {"address": "others", "repeats": 9 * MAX_KINDS - 1}
