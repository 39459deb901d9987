"""A thousand random ways to change the trail behind its back: the verifier finds every one."""

from collections import Counter

import pytest
from sqlalchemy.exc import DBAPIError

from cluster.audit.checkpoint_log import CheckpointLog
from cluster.audit.trail import CHECKPOINT_S
from cluster.audit.verify import verify
from tests.contract.records.records import Audit, record
from tests.contract.records.tampering import TAMPERINGS, Scene

CASES = {"sqlite": 60, "postgresql": 50}
CLEAN_EVERY = 50


async def build(audit: Audit) -> None:
    """Two writers that ended, one that did not, and admin changes; several checkpoints each."""
    for number in range(3):
        trail = audit.trail(f"ingress-{number}")
        for step in range(4):
            for each in range(5):
                trail.enqueue(record(5 * step + each))
            async with audit.database.begin() as connection:
                await trail.append(connection, record(step, action="key.create"))
            audit.clock.advance(CHECKPOINT_S)
            await trail.flush()
        await (trail.close() if number else trail.flush())


@pytest.mark.parametrize("times", [1, pytest.param(16, marks=pytest.mark.exhaustive)])
async def test_every_tampering_is_found_and_a_clean_trail_raises_no_alarm(
    audit: Audit, times: int
) -> None:
    await build(audit)
    clean = audit.checkpoints.read_bytes()
    log = CheckpointLog(audit.checkpoints, audit.keys.public)
    log.advance()
    marks = {writer: mark.seq for writer, mark in log.marks.items()}
    wanted = CASES[audit.database.dialect.name] * times

    missed: list[str] = []
    done: Counter[str] = Counter()
    seed = refused = 0
    while done.total() < wanted:
        seed += 1
        tamper = TAMPERINGS[seed % len(TAMPERINGS)]
        async with audit.database.engine.connect() as connection:
            if seed % CLEAN_EVERY == 0:
                assert (await verify(connection, audit.keys, [audit.checkpoints])).ok
            try:
                await tamper(Scene(connection, audit.checkpoints, marks, seed))
            except DBAPIError:
                refused += 1  # by the store itself: a key used twice, bytes that are no text
                continue
            report = await verify(connection, audit.keys, [audit.checkpoints])
            await connection.rollback()
            audit.checkpoints.write_bytes(clean)
            done[tamper.__name__] += 1
            if report.ok:
                missed.append(f"{tamper.__name__} with seed {seed}")

    assert missed == []
    assert refused < wanted / 3
    assert set(done) == {each.__name__ for each in TAMPERINGS}


@pytest.mark.parametrize("removed", [1, 2])
async def test_a_chain_and_its_checkpoints_cut_back_together_show_against_a_copy(
    audit: Audit, removed: int
) -> None:
    await build(audit)
    copy = audit.folder / "copy.jsonl"
    copy.write_bytes(audit.checkpoints.read_bytes())
    lines = audit.checkpoints.read_bytes().splitlines(keepends=True)
    audit.checkpoints.write_bytes(b"".join(lines[:-removed]))

    report = await audit.verify(copy)
    assert "do not begin with this copy" in " ".join(map(str, report.findings))


async def test_another_pepper_verifies_nothing(audit: Audit) -> None:
    await build(audit)
    audit.keys = type(audit.keys).derive(b"another")
    report = await audit.verify()
    assert report.alarms >= report.records
