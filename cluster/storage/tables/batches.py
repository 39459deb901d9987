"""The items of batches; deployments/batches."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
)

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

# How a batch whose lines are in a file stands: one row, which grows with each segment of outcomes.
file_batches = Table(
    "file_batches",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column(*TENANT, nullable=False, index=True),
    Column("total", Integer, nullable=False),  # lines; 0 until it is validated
    Column("validated", Float),  # when
    Column("errors", JSON, nullable=False),  # why it was refused
    Column("segments", Integer, nullable=False),  # stored
    Column("line", Integer, nullable=False),  # the first whose outcome is not stored, from 0
    Column("position", BigInteger, nullable=False),  # of that line in the file
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("output", String(40)),  # ids of files; NULL: nothing is written yet
    Column("error_output", String(40)),
)
