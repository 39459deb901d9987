"""Whether the events of scheduled posts are written when the posts are due, by anybody."""

from cluster.health.state import UP, CheckOutcome, degraded, down
from cluster.library.due import find_overdue
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

LATE_S = 30.0
STUCK_S = 600.0


class LibraryCheck:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def __call__(self) -> CheckOutcome:
        now = self._clock.wall()
        async with self._database.read() as connection:
            count, oldest = await find_overdue(connection, now)
        late_s = 0.0 if oldest is None else now - oldest
        if late_s <= LATE_S:
            return UP
        text = f"{count} posts are due, the oldest for {late_s:.0f} s"
        return down(text) if late_s > STUCK_S else degraded(text)
