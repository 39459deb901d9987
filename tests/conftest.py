"""For every tier: examples of Hypothesis, what the garbage collector looks at, compiled statements.

Hypothesis times no example, because other work shares the machine. `./mobula test` tries a few
examples of each property, `./mobula test --all` many (the profile `thorough`).
"""

import gc
from collections.abc import Generator

import pytest
from hypothesis import settings
from sqlalchemy.dialects import registry

settings.register_profile("quick", deadline=None, max_examples=8)
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile("quick")

# All engines of a worker share their compiled statements.
registry.register("sqlite.aiosqlite", "tests.servers.dialects", "SharedSqlite")
registry.register("postgresql.asyncpg", "tests.servers.dialects", "SharedPostgres")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay until the end: the garbage collector never visits them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000)  # of 700 by default: young objects seldom form cycles
        gc.enable()
