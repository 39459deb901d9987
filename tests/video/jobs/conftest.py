"""The stores of tests/contract/jobs."""

from tests.contract.jobs.conftest import (
    clock,
    database,
    jobs_postgres,
    jobs_sqlite,
    office,
    postgres_server,
    url,
)

__all__ = [
    "clock",
    "database",
    "jobs_postgres",
    "jobs_sqlite",
    "office",
    "postgres_server",
    "url",
]
