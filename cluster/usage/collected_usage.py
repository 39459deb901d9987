"""Usage of work that may be done again: held until the result of the work is stored.

Flows in: what the ledger would have counted. Flows out: cells, for the transaction that stores the
result, so that the work is charged exactly once, or not at all where nothing came of it. What comes
late, of calls that were given up, is the ledger's own after that, or forgotten.
"""

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.usage.cells import Cell


class _State(Enum):
    COLLECTING = auto()
    STORED = auto()
    DROPPED = auto()


class CollectedUsage:
    """Of one unit of work, such as a line of a batch, over all tries of it."""

    __slots__ = ("_cells", "_state")

    def __init__(self) -> None:
        self._cells: list[Cell] = []
        self._state = _State.COLLECTING

    @property
    def cells(self) -> Sequence[Cell]:
        return self._cells

    @property
    def is_stored(self) -> bool:
        """Whether its result is stored: what comes now is charged by itself."""
        return self._state is _State.STORED

    def add(self, cell: Cell) -> None:
        if self._state is _State.COLLECTING:
            self._cells.append(cell)

    def mark_stored(self) -> None:
        """The transaction that had its cells is committed."""
        self._state, self._cells = _State.STORED, []

    def drop(self) -> None:
        """Nothing came of the work, and whoever does it again is charged. No effect once stored."""
        if self._state is _State.COLLECTING:
            self._state, self._cells = _State.DROPPED, []


class CollectedUsageStore(Protocol):
    """Stores what was collected (cluster/usage/ledger.py)."""

    async def store_collected(
        self, connection: AsyncConnection, collected: Iterable[CollectedUsage]
    ) -> None:
        """Let rows grow in the caller's transaction, once a call: the caller ensures that it
        commits once."""
        ...

    def confirm_collected(self, collected: Iterable[CollectedUsage]) -> None:
        """That transaction is committed."""
        ...
