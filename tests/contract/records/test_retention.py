"""Old records go when they are told to, once, on every node; what stays verifies."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit import unverified_rows
from cluster.audit.record import AuditRecord
from cluster.audit.retention import DAY_S
from cluster.audit.rows import ChainHead
from cluster.audit.trail import AuditTrail
from cluster.audit.verify import verify
from cluster.runtime.clock import ManualClock
from tests.contract.records.records import Audit, count, record


async def filled(trail: AuditTrail, clock: ManualClock) -> None:
    for number in range(20):
        trail.enqueue(record(number))
    await trail.flush()
    clock.advance(60)


async def test_whoever_prunes_is_recorded_with_what_went(audit: Audit, clock: ManualClock) -> None:
    trail = audit.trail()
    await filled(trail, clock)
    who = AuditRecord(clock.wall(), "acme", "key:boss", "audit.prune", "audit:")

    assert await trail.prune(clock.wall(), who) == 21
    assert await trail.prune(clock.wall(), who) == 0
    await trail.close()
    assert await count(audit.database) == 2
    assert (await audit.verify()).findings == []


async def test_of_two_that_prune_at_once_one_does_the_work(
    audit: Audit, clock: ManualClock
) -> None:
    trails = [audit.trail(f"ingress-{number}") for number in range(3)]
    await filled(trails[0], clock)
    removed = await asyncio.gather(*(trail.prune(clock.wall()) for trail in trails))

    assert sorted(removed) == [0, 0, 21]
    assert audit.checkpoints.read_text().count('"pruned":true') == 1
    for trail in trails:
        await trail.close()
    assert (await audit.verify()).findings == []


async def test_retention_removes_what_is_too_old_once_a_day(
    audit: Audit, clock: ManualClock
) -> None:
    trail = audit.trail(retention_days=30)
    await filled(trail, clock)
    clock.advance(30 * DAY_S)
    assert await trail.retain() == 21
    await filled(trail, clock)
    clock.advance(30 * DAY_S - 7_200)
    assert await trail.retain() == 0

    clock.advance(3_600)
    assert await trail.retain() == 0, "too young"
    clock.advance(7_200)
    assert await trail.retain() == 0, "looked an hour or two ago"
    clock.advance(DAY_S)
    assert await trail.retain() > 20
    await trail.close()
    assert (await audit.verify()).findings == []


async def test_a_started_trail_keeps_to_its_retention_by_itself(
    audit: Audit, clock: ManualClock
) -> None:
    old = audit.trail("old")
    await filled(old, clock)
    await old.close()
    clock.advance(31 * DAY_S)
    trail = audit.trail(retention_days=30)
    await trail.start()
    async with asyncio.timeout(60):
        while await count(audit.database):
            await trail.flush()
    await trail.close()

    assert (await audit.verify()).findings == []


async def test_without_a_retention_everything_is_kept(audit: Audit, clock: ManualClock) -> None:
    trail = audit.trail()
    await filled(trail, clock)
    clock.advance(4_000 * DAY_S)

    assert await trail.retain() == 0
    await trail.close()
    assert await count(audit.database) == 20


async def test_pruning_amid_a_verification_raises_no_alarm(
    audit: Audit, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = audit.trail()
    await filled(trail, clock)
    heads, tasks = unverified_rows.read_heads, list[asyncio.Task[int]]()

    async def after_pruning(
        connection: AsyncConnection,
    ) -> list[ChainHead | unverified_rows.MalformedRow]:
        if not tasks:
            tasks.append(asyncio.create_task(trail.prune(clock.wall())))
            await asyncio.wait(tasks, timeout=1.0)  # where it must wait for us, it goes on later
        return await heads(connection)

    monkeypatch.setattr(unverified_rows, "read_heads", after_pruning)
    report = await audit.verify()

    assert report.findings == []
    assert await tasks[0] == 21
    await trail.close()
    assert (await audit.verify()).findings == []


@pytest.fixture
def elsewhere(audit: Audit) -> Audit:
    """Another node: the same store, a folder of its own."""
    return Audit(audit.database, audit.folder.parent / "elsewhere", audit.clock)


async def partial(audit: Audit) -> tuple[list[str], str]:
    async with audit.database.read() as connection:
        report = await verify(connection, audit.keys, [audit.checkpoints], partial=True)
    return [str(each) for each in report.findings], "\n".join(map(str, report.notes))


async def test_what_another_node_signed_is_a_note_where_its_file_cannot_be_seen(
    audit: Audit, elsewhere: Audit, clock: ManualClock
) -> None:
    here, there, gone = audit.trail("here"), elsewhere.trail("there"), elsewhere.trail("gone")
    for trail in (here, there, gone):
        await filled(trail, clock)
        await trail.flush()
    await gone.close()
    assert await there.prune(clock.wall()) > 20
    for trail in (here, there):
        await trail.close()
    strict = await audit.verify()
    findings, notes = await partial(audit)

    assert any("the file is missing" in finding.what for finding in strict.findings)
    assert findings == []
    assert "not checked here" in notes
    async with audit.database.read() as connection:
        files = [audit.checkpoints, elsewhere.checkpoints]
        assert (await verify(connection, audit.keys, files)).findings == []


async def test_what_is_wrong_here_stays_an_alarm_beside_other_nodes(
    audit: Audit, elsewhere: Audit, clock: ManualClock
) -> None:
    here, there = audit.trail("here"), elsewhere.trail("there")
    for trail in (here, there):
        await filled(trail, clock)
        await trail.close()
    async with audit.database.begin() as connection:
        await connection.exec_driver_sql(
            f"DELETE FROM audit_records WHERE writer = '{here.writer}' AND seq < 5"
        )
        await connection.exec_driver_sql(
            f"DELETE FROM audit_records WHERE writer = '{there.writer}' AND seq = 7"
        )
    findings, _ = await partial(audit)

    assert any(finding.startswith(here.writer) for finding in findings)
    assert any(finding.startswith(there.writer) for finding in findings)


async def test_a_lost_beginning_is_an_alarm_where_there_is_no_other_node(
    audit: Audit, clock: ManualClock
) -> None:
    trail = audit.trail()
    trail.enqueue(record())
    await trail.flush()
    async with audit.database.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM audit_records WHERE seq = 1")
    audit.checkpoints.unlink()
    findings, _ = await partial(audit)

    assert findings


async def test_a_file_that_was_replaced_is_an_alarm_for_the_chains_it_still_marks(
    audit: Audit, clock: ManualClock
) -> None:
    trail = audit.trail()
    await filled(trail, clock)
    await trail.flush()
    audit.checkpoints.unlink()
    await filled(trail, clock)
    await trail.close()
    findings, _ = await partial(audit)

    assert any("the file is missing" in finding for finding in findings)
