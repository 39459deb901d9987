"""SQLAlchemy's dialects with compiled statements that all engines of the tests share.

A process of the product has one engine and compiles each statement once; a test opens a store of
its own, and would compile them all again.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache


class SharedStatements:
    """A dialect that equals any other of its class, so that one cache serves all engines."""

    supports_statement_cache = True
    compiled: LRUCache[Any, Any]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        engine.update_execution_options(compiled_cache=cls.compiled)


class SharedSqlite(SharedStatements, SQLiteDialect_aiosqlite):
    supports_statement_cache = True
    compiled = LRUCache(2_000)


class SharedPostgres(SharedStatements, PGDialect_asyncpg):
    supports_statement_cache = True
    compiled = LRUCache(2_000)
