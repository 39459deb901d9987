"""A process that notes, flushes and checkpoints until killed: `python writing.py URL FOLDER`."""

import asyncio
import sys
from pathlib import Path

from cluster.audit.trail import CHECKPOINT_S
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from tests.contract.records.records import Audit, record


async def write(url: str, folder: Path) -> None:
    clock = ManualClock()
    audit = Audit(Database(url), folder, clock)
    trail = audit.trail()
    await trail.start()
    while True:
        for number in range(50):
            trail.enqueue(record(number))
        await trail.flush()
        clock.advance(CHECKPOINT_S / 3)
        sys.stdout.write("flushed\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], Path(sys.argv[2])))
