"""Audit records to test with, and trails that keep them."""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from cluster.audit.findings import VerificationReport
from cluster.audit.keys import AuditKeys
from cluster.audit.record import AuditRecord
from cluster.audit.trail import AuditTrail
from cluster.audit.verify import verify
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import audit_records


def record(number: int = 0, **changes: Any) -> AuditRecord:
    fields: dict[str, Any] = {
        "at": 1_700_000_000.25 + number,
        "tenant": "acme",
        "actor": "key:abc",
        "action": "chat",
        "resource": "model:nano",
        "request_id": f"req-{number}",
        "detail": {"tokens": number, "seconds": 1e-7 * number, "stream": True, "note": "caf\u00e9"},
    }
    return AuditRecord(**{**fields, **changes})


class Audit:
    """Makes trails in one folder over one store, and verifies them all."""

    def __init__(self, database: Database, folder: Path, clock: ManualClock) -> None:
        self.database, self.folder, self.clock = database, folder, clock
        self.keys = AuditKeys.derive(b"pepper")
        self.checkpoints = folder / "checkpoints.jsonl"

    def trail(
        self,
        name: str = "ingress",
        database: Database | None = None,
        retention_days: int | None = None,
    ) -> AuditTrail:
        database = database or self.database
        return AuditTrail(database, name, self.keys, self.folder, self.clock, retention_days)

    async def verify(self, *copies: Path) -> VerificationReport:
        async with self.database.read() as connection:
            return await verify(connection, self.keys, [self.checkpoints], copies)


async def count(database: Database) -> int:
    """How many of acme's records are stored."""
    async with database.read() as connection:
        query = (
            select(func.count()).select_from(audit_records).where(audit_records.c.tenant == "acme")
        )
        return int((await connection.execute(query)).scalar_one())


def kill(trail: AuditTrail) -> None:
    """What a kill does to a spill file: the lock goes, the file stays."""
    assert trail._spill is not None
    os.close(trail._spill._fd)
