"""Scaling decisions, and manual bounds of operators."""

from sqlalchemy import JSON, Column, Float, Index, Integer, String, Table

from cluster.storage.tables.base import metadata

DEPLOYMENT = ("deployment", String(300))

scaling_decisions = Table(
    "scaling_decisions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*DEPLOYMENT, nullable=False),
    Column("at", Float, nullable=False),
    Column("ready", Integer, nullable=False),
    Column("before", Integer, nullable=False),
    Column("target", Integer, nullable=False),
    Column("bound", String(40), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("signals", JSON, nullable=False),
    Index("ix_scaling_decisions_at", "at", "id"),
    Index("ix_scaling_decisions_deployment_at", "deployment", "at", "id"),
)

scaling_bounds = Table(
    "scaling_bounds",
    metadata,
    Column(*DEPLOYMENT, primary_key=True),
    Column("floor", Integer),
    Column("ceiling", Integer),
    Column("until", Float),  # NULL: until they are cleared
    Column("set_by", String(100), nullable=False),
    Column("set_at", Float, nullable=False),
)
