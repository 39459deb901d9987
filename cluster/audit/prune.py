"""Retention: removing old records so that what stays can still be verified.

Flows in: an instant. Flows out: the number of records removed. A chain is cut only at a place
that a checkpoint signed before that instant; the cut is signed first, as a checkpoint of its own,
and the chains start from there afterwards. The caller holds Lock.AUDIT_START, so that one process
at a time cuts, and none while a verification reads.
"""

import math
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit import checkpoints
from cluster.audit.checkpoint_log import CheckpointLog
from cluster.audit.checkpoints import ChainPosition, Checkpoint
from cluster.audit.keys import AuditKeys
from cluster.runtime.problems import Conflict
from cluster.storage.tables import audit_records


def checkpoints_before(keys: AuditKeys, folder: Path, before: float) -> list[ChainPosition]:
    """Where each chain of this node last stood before then; reads the whole file.

    Raises Conflict if the checkpoint file itself is at fault.
    """
    log = CheckpointLog(folder / checkpoints.FILE, keys.public, until=before)
    log.advance()
    if log.faults:
        raise Conflict(f"The checkpoints cannot be trusted: {log.faults[0]}. Verify the trail.")
    return list(log.marks.values())


async def prune_points(
    connection: AsyncConnection, marks: list[ChainPosition]
) -> list[ChainPosition]:
    """Those marks up to which there still are records."""
    column = audit_records.c
    first = select(column.writer, func.min(column.seq)).group_by(column.writer)
    starts = {row[0]: row[1] for row in await connection.execute(first)}
    return [mark for mark in marks if starts.get(mark.writer, math.inf) <= mark.seq]


async def remove(connection: AsyncConnection, marks: list[ChainPosition]) -> int:
    """Remove each marked link and all before it, in the caller's transaction."""
    removed = 0
    for mark in marks:
        mine = audit_records.c.writer == mark.writer
        done = await connection.execute(
            delete(audit_records).where(mine, audit_records.c.seq <= mark.seq)
        )
        removed += done.rowcount
    return removed


def sign(folder: Path, keys: AuditKeys, marks: list[ChainPosition], at: float) -> Checkpoint:
    """The anchors that the cut chains start from; on disk when this returns."""
    return checkpoints.append(folder, keys, marks, at, pruned=True)
