"""What the trail keeps through outages, kills and rollbacks, and what a verifier says of it."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from sqlalchemy import select

from cluster.audit import trail as trail_module
from cluster.audit.fields import InvalidRecord
from cluster.audit.search import search
from cluster.storage.database import Database
from cluster.storage.tables import audit_heads
from tests.contract.records.records import Audit, count, kill, record


class Undone(Exception):
    """Rolls a transaction back."""


async def test_what_was_noted_is_read_back_as_it_was(audit: Audit) -> None:
    trail = audit.trail()
    odd = record(
        7,
        resource="model:\U0001f600 'quoted\" \\ \n",
        detail={"zero": -0.0, "big": 2**62, "tiny": 5e-324, "wide": 1e16, "nothing": None, "a": ""},
    )
    trail.enqueue(odd)
    await trail.close()

    async with audit.database.read() as connection:
        page = await search(connection, "acme")
    assert [entry.record for entry in page.entries] == [odd]
    assert (await audit.verify()).findings == []


async def test_a_clean_trail_has_no_findings_and_no_notes(audit: Audit) -> None:
    trail = audit.trail()
    await trail.start()
    for number in range(1_200):
        trail.enqueue(record(number))
    async with audit.database.begin() as connection:
        await trail.append(connection, record(1, action="key.create"))
    await trail.close()

    report = await audit.verify()
    assert (report.findings, report.notes) == ([], [])
    assert report.writers == 2
    assert report.records >= 1_201
    assert await count(audit.database) == 1_201


async def test_a_rolled_back_change_leaves_no_record_and_no_gap(audit: Audit) -> None:
    trail = audit.trail()
    for outcome in ("kept", "undone", "kept", "undone", "kept"):
        with contextlib.suppress(Undone):
            async with audit.database.begin() as connection:
                await trail.append(connection, record(action="plan.update", outcome=outcome))
                if outcome == "undone":
                    raise Undone
    await trail.close()

    assert await count(audit.database) == 3
    assert (await audit.verify()).findings == []


async def test_admin_changes_at_the_same_time_form_one_chain(audit: Audit) -> None:
    trail = audit.trail()

    async def change(number: int) -> None:
        async with audit.database.begin() as connection:
            await trail.append(connection, record(number, action="key.create"))

    await asyncio.gather(*(change(number) for number in range(20)))
    await trail.close()

    assert await count(audit.database) == 20
    assert (await audit.verify()).findings == []


async def test_an_admin_record_that_may_not_be_kept_names_its_field(audit: Audit) -> None:
    trail = audit.trail()
    with pytest.raises(InvalidRecord) as caught:
        async with audit.database.begin() as connection:
            await trail.append(connection, record(resource="r" * 301))
    assert caught.value.extensions["param"] == "resource"
    assert "300" in caught.value.detail
    assert await count(audit.database) == 0


async def test_an_admin_change_fails_with_the_store(
    audit: Audit, unreachable: Callable[[], Database]
) -> None:
    down = unreachable()
    trail = audit.trail(database=down)
    with pytest.raises(Exception, match="cannot be reached"):
        async with down.begin() as connection:
            await trail.append(connection, record())


async def test_records_wait_on_disk_while_the_store_is_down(
    audit: Audit, unreachable: Callable[[], Database]
) -> None:
    trail = audit.trail()
    trail.enqueue(record(0))
    await trail.flush()
    up, trail._database = trail._database, unreachable()
    for number in range(1, 1_500):
        trail.enqueue(record(number))
    await trail.flush()
    assert await count(audit.database) == 1
    assert [path.suffix for path in audit.folder.iterdir()].count(".spill") == 1

    trail._database = up
    trail.enqueue(record(1_500))
    await trail.flush()
    assert await count(audit.database) == 1_501
    await trail.close()

    report = await audit.verify()
    assert (report.findings, report.notes, report.lost) == ([], [], 0)
    assert not list(audit.folder.glob("*.spill"))


async def test_what_a_killed_process_left_on_disk_is_stored_by_the_next(
    audit: Audit, unreachable: Callable[[], Database]
) -> None:
    killed = audit.trail(database=unreachable())
    for number in range(10):
        killed.enqueue(record(number))
    await killed.flush()
    kill(killed)

    following = audit.trail()
    await following.start()
    await following.close()

    report = await audit.verify()
    assert await count(audit.database) == 10
    assert report.findings == []
    assert [note.writer for note in report.notes] == [killed.writer]


async def test_a_spill_file_of_a_living_process_is_left_to_it(
    audit: Audit, unreachable: Callable[[], Database]
) -> None:
    living = audit.trail(database=unreachable())
    living.enqueue(record())
    await living.flush()

    other = audit.trail()
    await other.start()
    await other.close()
    assert await count(audit.database) == 0

    living._database = audit.database
    await living.close()
    assert await count(audit.database) == 1
    assert (await audit.verify()).findings == []


async def test_a_commit_whose_answer_was_lost_is_not_stored_twice(audit: Audit) -> None:
    trail = audit.trail()
    trail.enqueue(record(0))
    await trail.flush()
    stored = trail._commit

    async def commit_and_fail(links: list[object]) -> None:
        await stored(links)  # type: ignore[arg-type]
        raise TimeoutError

    trail._commit = commit_and_fail  # type: ignore[method-assign, assignment]
    for number in range(1, 30):
        trail.enqueue(record(number))
    await trail.flush()
    trail._commit = stored  # type: ignore[method-assign]
    await trail.close()

    assert await count(audit.database) == 30
    assert (await audit.verify()).findings == []


async def test_what_can_be_kept_nowhere_is_counted_and_the_count_is_chained(
    audit: Audit, unreachable: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail_module, "QUEUE_RECORDS", 100)
    audit.folder.write_text("a file where the folder should be")
    trail = audit.trail(database=unreachable())
    trail.enqueue(record())
    await trail.flush()
    for number in range(150):
        trail.enqueue(record(number))
    assert trail.lost == 50

    trail._database = audit.database
    audit.folder.unlink()
    await trail.close()
    report = await audit.verify()
    assert (report.findings, report.lost) == ([], 50)
    assert await count(audit.database) == 101
    async with audit.database.read() as connection:
        heads = (await connection.execute(select(audit_heads.c.lost))).scalars().all()
    assert heads == [50]


async def test_a_hostile_record_is_cut_to_fit_and_says_so(audit: Audit) -> None:
    key = "mob_" + "a" * 12 + "_" + "b" * 32
    trail = audit.trail()
    trail.enqueue(record(resource=f"model:{key}\x00\ud800" + "x" * 400, request_id="r" * 99))
    await trail.close()

    async with audit.database.read() as connection:
        (entry,) = (await search(connection, "acme")).entries
    assert key not in entry.record.resource
    assert len(entry.record.resource) == 300
    assert entry.record.detail["clipped"] == "request_id,resource"
    assert (await audit.verify()).findings == []
