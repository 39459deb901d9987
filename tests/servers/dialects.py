"""SQLAlchemy's dialects with compiled statements that all engines of the tests share.

A process of the product has one engine, which compiles each statement once and asks once what the
server can; a test opens a store of its own, and would do all of it again.
"""

from typing import Any, ClassVar

from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache


class SharedStatements:
    """A dialect that equals any other of its class, so that one cache serves all engines."""

    supports_statement_cache = True
    compiled: LRUCache[Any, Any]
    server: ClassVar[dict[str, Any]]  # what `initialize` has found out; all tests have the same one

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def initialize(self, connection: Connection) -> None:
        if not self.server:
            before = dict(vars(self))
            super().initialize(connection)  # type: ignore[misc]
            found = {name: value for name, value in vars(self).items() if name not in before}
            self.server.update(found)
        vars(self).update(self.server)

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=cls.compiled)


class SharedSqlite(SharedStatements, SQLiteDialect_aiosqlite):
    supports_statement_cache = True
    compiled = LRUCache(2_000)
    server: ClassVar[dict[str, Any]] = {}


class SharedPostgres(SharedStatements, PGDialect_asyncpg):
    supports_statement_cache = True
    compiled = LRUCache(2_000)
    server: ClassVar[dict[str, Any]] = {}
