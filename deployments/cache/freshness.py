"""How long an answer is good for. In: configured seconds, an entry, the time. Out: its state.

    age   0 ......... soft ......... hard .......... error ......
          fresh/early      stale         error-only        dead

Ages are jittered when an answer is made, so that answers made together do not end together. Near
the end of its freshness one caller in a few is told to refresh already ("early"), likelier the
longer the answer took to compute: XFetch (Vattani, Chierichetti, Lowenstein, VLDB'15), kept to the
second half of the answer's freshness, so that slow answers are not refreshed from the start.
"""

import math
import random
from dataclasses import dataclass
from typing import Final, Literal

from deployments.contracts.cache import Entry, Ttls

State = Literal["fresh", "early", "stale", "error-only", "dead"]

_HOPELESS: Final = 40.0  # exp(-40): beyond this many computing times XFetch never refreshes


@dataclass(frozen=True, slots=True)
class Freshness:
    """`soft_s`, `hard_s` and `error_s` as in Lives; `jitter` is the share by which all three are
    stretched or shrunk together. `eager` is XFetch's beta: above 1 refreshes earlier, 0 never.

    Raises ValueError unless 0 < soft_s <= hard_s <= error_s, 0 <= jitter < 1 and eager >= 0.
    """

    soft_s: float
    hard_s: float
    error_s: float
    jitter: float = 0.1
    eager: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.soft_s <= self.hard_s <= self.error_s < math.inf:
            raise ValueError("an answer's lives are finite: 0 < soft_s <= hard_s <= error_s")
        if not 0 <= self.jitter < 1:
            raise ValueError("jitter is a share: 0 <= jitter < 1")
        if not 0 <= self.eager < math.inf:
            raise ValueError("eager is a finite factor of at least 0")

    def ttls(self, rng: random.Random) -> Ttls:
        """The lives of one new answer."""
        factor = 1 + self.jitter * rng.uniform(-1, 1)
        return Ttls(self.soft_s * factor, self.hard_s * factor, self.error_s * factor)

    def state(self, entry: Entry, now: float, rng: random.Random) -> State:
        """How good `entry` is at `now` (Unix seconds).

        An answer from a machine whose clock is ahead counts as just made.
        """
        age, lives = now - entry.created, entry.lives
        if age >= lives.soft:
            return _late(age, lives)
        lead = self.eager * entry.took_s
        left = lives.soft - age
        if left >= lead * _HOPELESS or age < lives.soft / 2:
            return "fresh"
        return "early" if rng.expovariate(1.0) * lead >= left else "fresh"


def _late(age: float, lives: Ttls) -> State:
    if age < lives.hard:
        return "stale"
    return "error-only" if age < lives.error else "dead"
