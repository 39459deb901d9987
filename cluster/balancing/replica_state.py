"""State of one replica in a calling process, and of a call that was dispatched to it.

In: reports of routers and callers through the ReplicaSet. Out: the metrics that policies compare.
Knows no policy and takes no lock; the ReplicaSet does.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

_DECAY_S = 10.0
_SMOOTHING = 0.1
_REPORT_INTERVAL_S = 1.0  # interval of replicas' reports; a report may be twice as old


@dataclass(slots=True)
class Dispatch:
    """One attempt at a replica. `alive`: the replica has accepted it."""

    call: str
    state: "ReplicaState"
    tokens: int
    sequences: int
    sent_at: float
    alive: bool = False
    over: bool = False
    condemned: bool = False  # already counted as a failure


class ReplicaState:
    """A replica's outstanding work, response times and reported metrics.

    `peak_s` follows Finagle's PeakEwma: a slower response counts at once and decays over ten
    seconds with faster responses or idle time. Unlike there it does not decay while responses are
    outstanding: those of models take longer than ten seconds. `mean_s` is a moving average.
    """

    __slots__ = (
        "_peak_at",
        "_peak_s",
        "_peak_sequences_at",
        "_peak_sequences",
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
        self._peak_sequences = (0, 0, 0)
        self._peak_sequences_at = -math.inf

    @property
    def load(self) -> int:
        """Outstanding requests of this process and, as estimated, of others."""
        return self.requests + self.elsewhere

    def peak_s(self, now: float) -> float | None:
        if self._peak_s is None or self.requests:
            return self._peak_s
        return self._peak_s * math.exp((self._peak_at - now) / _DECAY_S)

    def take(self, dispatch: Dispatch) -> None:
        self.requests += 1
        self.tokens += dispatch.tokens
        self.sequences += dispatch.sequences
        if self.sequences > self._peak_sequences[2]:
            self._peak_sequences = (*self._peak_sequences[:2], self.sequences)

    def release(self, dispatch: Dispatch) -> None:
        if not dispatch.over:
            dispatch.over = True
            self.requests -= 1
            self.tokens -= dispatch.tokens
            self.sequences -= dispatch.sequences

    def answered(self, seconds: float, now: float) -> None:
        mean_s = seconds if self.mean_s is None else self.mean_s
        self.mean_s = mean_s + _SMOOTHING * (seconds - mean_s)
        peak_s = self._peak_s
        if peak_s is None or seconds > peak_s:
            self._peak_s = seconds
        else:
            decay = math.exp((self._peak_at - now) / _DECAY_S)
            self._peak_s = peak_s * decay + seconds * (1.0 - decay)
        self._peak_at = now

    def reported(self, stats: Mapping[str, Any], now: float) -> None:
        """Applies the replica's report (`record_routing_stats`): sequences `running` and `queued`,
        the operator's `weight`, `free` share of its slots, `speed` of one sequence in tokens/s (0:
        unknown).

        A report is up to two seconds old, so only the excess over this process's recent maximum
        counts as load of other callers.
        """
        reported_sequences = int(stats.get("running", 0)) + int(stats.get("queued", 0))
        self.elsewhere = max(0, reported_sequences - max(self._peak_sequences))
        if (
            now - self._peak_sequences_at >= _REPORT_INTERVAL_S
        ):  # every router of the process has the same report
            self._peak_sequences, self._peak_sequences_at = (
                (self._peak_sequences[1], self._peak_sequences[2], self.sequences),
                now,
            )
        self.weight = max(0.0, float(stats.get("weight", 1.0))) * max(
            0.05, float(stats.get("free", 1.0))
        )
        self.speed = float(stats.get("speed", 0.0)) or None


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """A running replica as a router reports it. `local`: on the caller's node."""

    replica: str
    node: str = ""
    local: bool = False
    stats: Mapping[str, Any] = field(default_factory=dict)
