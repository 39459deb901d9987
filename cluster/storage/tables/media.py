"""Stored objects, uploads and videos of tenants."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, String, Table

from cluster.storage.tables.base import TENANT, metadata

# Every stored object of a tenant, for quotas and retention; cluster/blobs.
stored_objects = Table(
    "stored_objects",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("path", String(300), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, index=True),  # NULL: until it is deleted
    Column(
        "place", String(32), nullable=False, unique=True
    ),  # storage location of the bytes, never reused
)

# Resumable uploads (tus 1.0); deployments/video/uploads.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False, index=True),
    Column("key", String(80), nullable=False),
    Column("name", String(300), nullable=False),
    Column("length", BigInteger),  # NULL: not known yet
    Column("received", BigInteger, nullable=False),
    Column("details", JSON, nullable=False),  # metadata of the client
    Column("state", String(16), nullable=False),  # open, finishing, done, failed
    Column("holder", String(32)),  # lock owner, until `locked`
    Column("locked", Float),
    Column("video", String(32)),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False, index=True),
)

videos = Table(
    "videos",
    metadata,
    Column("id", String(32), primary_key=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("key", String(80), nullable=False),
    Column("name", String(300), nullable=False),
    Column("state", String(16), nullable=False),  # importing, ready, failed
    Column("path", String(300), nullable=False),  # path of its stored object
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media", JSON, nullable=False),  # metadata of the container
    Column("problem", JSON),
    Column("created", Float, nullable=False),
    Column("expires", Float, index=True),
    Index("ix_videos_tenant_created", "tenant", "created"),
)
