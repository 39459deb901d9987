"""The items of batches; deployments/batches."""

from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, String, Table

from cluster.storage.tables.base import TENANT, metadata

batch_items = Table(
    "batch_items",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 0
    Column(*TENANT, nullable=False, index=True),
    Column("custom_id", String(64)),
    Column("state", String(16), nullable=False),  # queued, succeeded, failed
    Column("status", Integer),  # of HTTP; NULL: no outcome
    Column("request_id", String(64)),
    Column("body", LargeBinary, nullable=False),  # encrypted; empty once there is an outcome
    Column("result", LargeBinary),  # encrypted with the tenant's secret
    Column("size", Integer, nullable=False),  # bytes of the result before encryption
)
