"""The row that health checks write and read (cluster/health/checks/store.py)."""

from sqlalchemy import Column, Float, String, Table

from cluster.storage.tables.base import metadata

health_probes = Table(
    "health_probes",
    metadata,
    Column("node", String(100), primary_key=True),  # the address of the machine that checks
    Column("at", Float, nullable=False),
)
