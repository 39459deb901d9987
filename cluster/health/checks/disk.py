"""Whether a folder can be written to, and how much room its file system has."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from cluster.health.state import UP, CheckOutcome, degraded, down

LOW_SHARE, LOW_BYTES = 0.05, 1 << 30  # free: less than either is degraded
FULL_BYTES = 100 << 20  # free: less is down
PROBE_BYTES = 4096


class DiskCheck:
    """Writes a temporary file of PROBE_BYTES in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __call__(self) -> CheckOutcome:
        return await asyncio.to_thread(self._check)

    def _check(self) -> CheckOutcome:
        try:
            with tempfile.TemporaryFile(dir=self._folder, prefix="health-", buffering=0) as file:
                file.write(bytes(PROBE_BYTES))
            usage = shutil.disk_usage(self._folder)
        except OSError as error:
            return down(f"cannot be written to: {error.strerror or type(error).__name__}")
        return rate_room(usage.free, usage.total)


def rate_room(free: int, total: int) -> CheckOutcome:
    """Of `total` bytes, `free` are free."""
    room = f"{free / 2**30:.1f} GiB of {total / 2**30:.1f} GiB are free"
    if free < FULL_BYTES:
        return down(room)
    return degraded(room) if free < LOW_BYTES or free < LOW_SHARE * total else UP
