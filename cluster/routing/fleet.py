"""What this process knows of one deployment's replicas: the seam between routers and callers.

A router (in the handle) tells where it sent a request and when that ended; the caller tells how it
went; choosers read both. One `Fleet` a deployment and process: `fleet_of(name)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Outcome = Literal["ok", "failed", "silent", "gone"]  # silent: no sign of life; gone: nobody waits


@dataclass(frozen=True, slots=True)
class Standing:
    """One replica as this process sees it. Times in seconds; None: not known yet."""

    replica: str
    node: str
    local: bool
    requests: int
    tokens: int
    mean_s: float | None
    weight: float
    ejected_for_s: float = 0.0
    ejected_because: str = ""


class Fleet(Protocol):
    """Thread-safe: under the plain profile routers run on a loop of their own.

    `call` is the id of one attempt (unique in the process), carried by the request that is sent as
    `request_id`.
    """

    @property
    def size(self) -> int:
        """Running replicas that are known; 0 until the first is."""
        ...

    async def await_replica(self, timeout_s: float) -> bool:
        """Whether one is there within that time."""
        ...

    def avoid(self, call: str, replicas: frozenset[str]) -> None:
        """Send `call` elsewhere if there is an elsewhere."""
        ...

    def placed(self, call: str) -> str | None:
        """The replica that `call` was sent to."""
        ...

    def report(self, call: str, outcome: Outcome, seconds: float) -> None:
        """How `call` ended (or that it has not answered so far); forgets it unless `silent`."""
        ...

    def standings(self) -> Mapping[str, Standing]: ...
