"""What a verifier says of trails that are busy, killed, pruned or copied: no false alarm."""

import asyncio
from pathlib import Path

from cluster.audit import trail as trail_module
from cluster.runtime.clock import ManualClock
from tests.contract.records.records import Audit, count, record


async def test_verification_beside_busy_writers_raises_no_alarm(audit: Audit) -> None:
    trails = [audit.trail(f"ingress-{number}") for number in range(3)]
    done = False

    async def write(trail: object, number: int) -> None:
        assert isinstance(trail, trail_module.AuditTrail)
        while not done:
            for each in range(40):
                trail.enqueue(record(each))
            await trail.flush()
            audit.clock.advance(trail_module.CHECKPOINT_S)
            async with audit.database.begin() as connection:
                await trail.append(connection, record(number, action="key.create"))

    writers = [asyncio.create_task(write(trail, n)) for n, trail in enumerate(trails)]
    reports = [await audit.verify()]
    async with asyncio.timeout(60):
        while len(reports) < 6 or reports[-1].records == reports[0].records:
            reports.append(await audit.verify())
    done = True
    await asyncio.gather(*writers)
    for trail in trails:
        await trail.close()

    assert [report.findings for report in reports] == [[]] * len(reports)
    assert (await audit.verify()).notes == []


async def test_a_process_that_was_killed_is_a_note_and_no_alarm(audit: Audit) -> None:
    trail = audit.trail()
    trail.enqueue(record())
    await trail.flush()
    trail.enqueue(record(1))

    report = await audit.verify()
    assert report.ok
    assert [note.what for note in report.notes] == [
        "has no closing record: its process still runs or was killed"
    ]


async def test_pruned_chains_still_verify(audit: Audit, clock: ManualClock) -> None:
    trails = [audit.trail("old"), audit.trail("lasting")]
    for trail in trails:
        for number in range(20):
            trail.enqueue(record(number))
        await trail.flush()
    await trails[0].close()
    clock.advance(3_600)
    keep_from = clock.wall()
    clock.advance(60)
    for number in range(20, 25):
        trails[1].enqueue(record(number))
    await trails[1].flush()

    assert await trails[1].prune(keep_from) > 40
    assert await trails[1].prune(keep_from) == 0
    await trails[1].close()
    report = await audit.verify()
    assert (report.findings, report.notes) == ([], [])
    assert await count(audit.database) == 5


async def test_a_copy_of_the_checkpoints_is_extended_by_the_live_file(
    audit: Audit, tmp_path: Path
) -> None:
    trail = audit.trail()
    trail.enqueue(record())
    await trail.flush()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(audit.checkpoints.read_bytes())
    await trail.close()
    assert (await audit.verify(copy)).findings == []

    lines = audit.checkpoints.read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines))
    audit.checkpoints.write_bytes(lines[0])
    assert not (await audit.verify(copy)).ok


async def test_a_flush_ends_although_records_keep_coming(audit: Audit) -> None:
    trail = audit.trail()
    flush = asyncio.ensure_future(trail.flush())
    while not flush.done():
        trail.enqueue(record())
        await asyncio.sleep(0)
        assert len(trail._queue) < trail_module.QUEUE_RECORDS
    assert trail._queue
    await trail.close()
