"""Whether deliveries of webhooks are attempted when they are due, by anybody, and are accepted.

A receiver that fails is its tenant's affair, and one of many always does: the outcome says how many
fail, and is degraded from a share of all on, which rather is a fault of the way there.
"""

from cluster.events.queue import count_failing, find_overdue
from cluster.health.state import UP, CheckOutcome, DependencyState, degraded, down
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

LATE_S = 60.0
STUCK_S = 600.0
FAILING_SHARE = 0.5


class WebhooksCheck:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def __call__(self) -> CheckOutcome:
        now = self._clock.wall()
        async with self._database.read() as connection:
            count, oldest = await find_overdue(connection, now)
            failing, active = await count_failing(connection)
        late_s = 0.0 if oldest is None else now - oldest
        if late_s > LATE_S:
            text = f"{count} deliveries are due, the oldest for {late_s:.0f} s"
            return down(text) if late_s > STUCK_S else degraded(text)
        return rate_receivers(failing, active)


def rate_receivers(failing: int, active: int) -> CheckOutcome:
    """Of `active` webhooks, so many accept nothing."""
    if failing == 0:
        return UP
    text = f"{failing} of {active} active webhooks accept nothing"
    is_many = failing >= FAILING_SHARE * active
    return degraded(text) if is_many else CheckOutcome(DependencyState.UP, text)
