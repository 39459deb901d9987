"""Files that callers send or batches write, by id; deployments/files."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, String, Table

from cluster.storage.tables.base import TENANT, metadata

# Their bytes are the stored objects under `files/<id>/`, in the order of their paths.
files = Table(
    "files",
    metadata,
    Column("id", String(40), primary_key=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("key", String(80), nullable=False),  # who made it: a key or a user
    Column("purpose", String(20), nullable=False),
    Column("name", String(255), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("job", String(32)),  # that writes it; NULL: a caller sent it
    Column("created", Float, nullable=False),
    Column("expires", Float, index=True),  # NULL: until it is deleted
    Index("ix_files_tenant_created", "tenant", "created"),
)
