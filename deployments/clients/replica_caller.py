"""The port to the replicas of one model: one attempt at a call, by handle or by link.

In: a request, and the id of the attempt. Out: an Attempt (cluster/resilience/attempts.py), sent.
Implemented in serve/handle_caller.py and link/link_caller.py.
"""

from collections.abc import AsyncIterator
from typing import Any, Protocol, Self

from cluster.resilience.attempts import Attempt
from deployments.contracts.text_relay import TextRelay


class ReplicaStream(Attempt[tuple[Any, Any]], Protocol):
    """A stream: its response is itself, and its first item (None: it ended without one). `ended`:
    there is nothing to cancel."""

    ended: bool

    async def answer(self) -> tuple[Self, Any]: ...

    def rest(self, relay: TextRelay | None = None) -> AsyncIterator[Any]:
        """The items after the first; pieces of text may be passed to `relay` instead. Raises
        Problems."""
        ...


class ReplicaCaller(Protocol):
    """`method` is a method of the replicas. `call` names the attempt, which has `timeout_s` until
    its deadline; a replica must have taken it within `patience_s`."""

    def call(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> Attempt[Any]:
        """For a response in one piece."""
        ...

    def stream(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> ReplicaStream: ...

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """A call that is neither retried nor counted. Raises Problems."""
        ...
