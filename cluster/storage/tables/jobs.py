"""Jobs, their parts, checkpoints and events."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    text,
)

from cluster.storage.tables.base import TENANT, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("key", String(80), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage", String(40), nullable=False),
    Column("percent", Float, nullable=False),
    Column("priority", Integer, nullable=False),  # 0 interactive, 1 standard, 2 batch
    Column("cost", BigInteger, nullable=False),
    Column("weight", Float, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("problem", JSON),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("next", Float, nullable=False),  # earliest time of the next attempt
    Column("fence", Integer, nullable=False),
    Column("worker", String(80)),
    Column("leased", Float),  # end of the lease, while it runs
    Column("cancel_asked", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("events", Integer, nullable=False),  # number of the last event
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("keep_s", Float, nullable=False),
    Column("expires", Float, index=True),
    Column("request_id", String(64), nullable=False),
    # of the order: a traceparent
    Column("trace", String(55), nullable=False, server_default=text("''")),
    Index("ix_jobs_state_next", "state", "next"),
    Index("ix_jobs_tenant_created", "tenant", "created"),
)

job_parts = Table(
    "job_parts",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column(*TENANT, nullable=False),
    Column("state", String(16), nullable=False),
    Column("data", JSON, nullable=False),
    Column("updated", Float, nullable=False),
)

job_checkpoints = Table(
    "job_checkpoints",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(63), primary_key=True),
    Column("data", JSON, nullable=False),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("data", JSON, nullable=False),
)

# Virtual time of each tenant for start-time fair queueing; deployments/jobs.
job_shares = Table(
    "job_shares",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("finish", Float, nullable=False),  # virtual time, cost units by weight
)
