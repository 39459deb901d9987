"""How deliveries are tried: how often, for how long, how many at once. Pure figures."""

from dataclasses import dataclass
from random import Random

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """All times in seconds.

    Tries come after 10 s, 1 min, 6 min, 36 min, 3.6 h, 10 h and 10 h: eight over about a day.
    """

    attempts: int = 8
    first_s: float = 10.0
    factor: float = 6.0
    longest_s: float = 10 * HOUR_S
    jitter: float = 0.2  # of the pause, either way
    age_s: float = 36 * HOUR_S  # an event older than this is given up without a try
    attempt_s: float = 10.0  # one try, from resolving the name to the answer
    lease_s: float = 60.0  # how long a claim holds; must outlast a try and clocks that disagree
    slots: int = 64  # tries at once in this process
    tenant_slots: int = 8
    webhook_slots: int = 2
    poll_s: float = 1.0
    house_s: float = HOUR_S  # between prunings and looks for expiring keys
    kept_s: float = 35 * 24 * HOUR_S  # events and how they were delivered; over a month: `once`

    def backoff_s(self, tried: int, random: Random) -> float:
        """Seconds to wait after try number `tried` (from 1) failed."""
        pause = min(self.first_s * self.factor ** (tried - 1), self.longest_s)
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)
