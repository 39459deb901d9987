"""A database of a process that dies: at one of its transactions, before it or after its commit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.database import Database, DatabaseUnavailable

Fault = Literal["before", "after", "answer"]


class Death(BaseException):
    """The process is gone: nothing that it does afterwards has an effect."""


class DyingDatabase(Database):
    """Over `database`. At transaction number `at` (None: never) it dies `before` it, or `after` its
    commit; with `answer` it lives, and the answer to the commit is lost."""

    def __init__(self, database: Database, at: int | None, fault: Fault = "before") -> None:
        self._real = database
        self.is_sqlite = database.is_sqlite
        self.engine = database.engine
        self._at = at
        self._fault = fault
        self._dead = False
        self.count = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        is_hit = self._counted()
        async with self._real.begin() as connection:
            yield connection
        if is_hit:
            self._hit()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        is_hit = self._counted()
        async with self._real.read() as connection:
            yield connection
        if is_hit:
            self._hit()

    def _counted(self) -> bool:
        """Whether a fault follows this one."""
        if self._dead:
            raise Death
        self.count += 1
        if self.count != self._at:
            return False
        if self._fault == "before":
            self._dead = True
            raise Death
        return True

    def _hit(self) -> None:
        if self._fault == "answer":
            raise DatabaseUnavailable
        self._dead = True
        raise Death
