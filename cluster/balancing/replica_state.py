"""One replica as a process of its callers sees it, and one call that was sent to it.

Flows in: what routers and callers tell the Fleet. Flows out: the figures that choosers compare.
Knows no policy and takes no lock: the Fleet does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

_DECAY_S = 10.0
_SMOOTHING = 0.1
_REPORT_S = 1.0  # replicas report once in it; the news may be twice as old


@dataclass(slots=True)
class Dispatch:
    """One attempt at a replica. `alive` once that has given a sign of life for it."""

    call: str
    seat: "ReplicaState"
    tokens: int
    sequences: int
    sent_at: float
    alive: bool = False
    over: bool = False
    condemned: bool = False  # counted as a failure already


class ReplicaState:
    """A replica, its outstanding work, how fast it answers and what it says of itself.

    `peak_s` follows Finagle's PeakEwma: a slower answer counts at once, faster ones win it back
    over ten seconds, and so does being idle. Other than there, answers that are still to come win
    nothing back: those of models take longer than ten seconds. `mean_s` is a plain moving average.
    """

    __slots__ = (
        "_peak_at",
        "_peak_s",
        "_topped_at",
        "_tops",
        "elsewhere",
        "hash",
        "local",
        "mean_s",
        "node",
        "open",
        "replica",
        "requests",
        "sequences",
        "speed",
        "tokens",
        "weight",
    )

    def __init__(self, replica: str, node: str, *, local: bool) -> None:
        self.replica = replica
        self.node = node
        self.local = local
        self.hash = int.from_bytes(blake2b(replica.encode(), digest_size=8).digest(), "big")
        self.open: dict[str, Dispatch] = {}
        self.requests = 0
        self.sequences = 0
        self.tokens = 0
        self.elsewhere = 0
        self.weight = 1.0
        self.speed: float | None = None
        self.mean_s: float | None = None
        self._peak_s: float | None = None
        self._peak_at = 0.0
        self._tops = (0, 0, 0)
        self._topped_at = -math.inf

    @property
    def load(self) -> int:
        """Requests of this process and, as far as they are known, of others."""
        return self.requests + self.elsewhere

    def peak_s(self, now: float) -> float | None:
        if self._peak_s is None or self.requests:
            return self._peak_s
        return self._peak_s * math.exp((self._peak_at - now) / _DECAY_S)

    def take(self, placement: Dispatch) -> None:
        self.requests += 1
        self.tokens += placement.tokens
        self.sequences += placement.sequences
        if self.sequences > self._tops[2]:
            self._tops = (*self._tops[:2], self.sequences)

    def release(self, placement: Dispatch) -> None:
        if not placement.over:
            placement.over = True
            self.requests -= 1
            self.tokens -= placement.tokens
            self.sequences -= placement.sequences

    def answered(self, seconds: float, now: float) -> None:
        mean_s = seconds if self.mean_s is None else self.mean_s
        self.mean_s = mean_s + _SMOOTHING * (seconds - mean_s)
        peak_s = self._peak_s
        if peak_s is None or seconds > peak_s:
            self._peak_s = seconds
        else:
            kept = math.exp((self._peak_at - now) / _DECAY_S)
            self._peak_s = peak_s * kept + seconds * (1.0 - kept)
        self._peak_at = now

    def reported(self, stats: Mapping[str, Any], now: float) -> None:
        """What the replica says (`record_routing_stats`): sequences `running` and `queued`, the
        operator's `weight`, `free` share of its places, `speed` of one sequence in tokens/s (0:
        unknown).

        A report is a second old or two, so only what exceeds the most that this process had there
        lately is taken for other callers' load.
        """
        held = int(stats.get("running", 0)) + int(stats.get("queued", 0))
        self.elsewhere = max(0, held - max(self._tops))
        if now - self._topped_at >= _REPORT_S:  # every router of the process brings the same news
            self._tops, self._topped_at = (self._tops[1], self._tops[2], self.sequences), now
        self.weight = max(0.0, float(stats.get("weight", 1.0))) * max(
            0.05, float(stats.get("free", 1.0))
        )
        self.speed = float(stats.get("speed", 0.0)) or None


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """A running replica as a router is told of it. `local`: on the node of the caller."""

    replica: str
    node: str = ""
    local: bool = False
    stats: Mapping[str, Any] = field(default_factory=dict)
