"""Removes old records so that the remaining chain can still be verified.

In: a time. Out: the number of removed records. A chain is cut only at a position that a checkpoint
signed before that time. The cut is signed first, as a checkpoint, and the chains start there
afterwards. The caller holds Lock.AUDIT_START, so that one process at a time prunes, and none during
a verification.
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
    """The last signed position of each chain of this node before then; reads the whole file.

    Raises Conflict if the checkpoint file is invalid.
    """
    log = CheckpointLog(folder / checkpoints.FILE, keys.public, until=before)
    log.advance()
    if log.faults:
        raise Conflict(f"The checkpoints are invalid: {log.faults[0]}. Verify the trail.")
    return list(log.marks.values())


async def prune_points(
    connection: AsyncConnection, marks: list[ChainPosition]
) -> list[ChainPosition]:
    """The positions up to which there are records to remove."""
    column = audit_records.c
    first = select(column.writer, func.min(column.seq)).group_by(column.writer)
    starts = {row[0]: row[1] for row in await connection.execute(first)}
    return [mark for mark in marks if starts.get(mark.writer, math.inf) <= mark.seq]


async def remove(connection: AsyncConnection, marks: list[ChainPosition]) -> int:
    """Removes each position's link and all before it, in the caller's transaction."""
    removed = 0
    for mark in marks:
        of_writer = audit_records.c.writer == mark.writer
        result = await connection.execute(
            delete(audit_records).where(of_writer, audit_records.c.seq <= mark.seq)
        )
        removed += result.rowcount
    return removed


def sign(folder: Path, keys: AuditKeys, marks: list[ChainPosition], at: float) -> Checkpoint:
    """Signs the positions at which the pruned chains start; synced to disk."""
    return checkpoints.append(folder, keys, marks, at, pruned=True)
