"""Collections of points that are searched by meaning and by words; cluster/collections."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from cluster.storage.tables.base import TENANT, metadata

# `sequence` grows with each change of a point, in the transaction of the change, which locks the
# row: a collection has one writer at a time, and whoever has seen the points up to a number asks
# for those above it. Tombstones up to `purged` are deleted: who has seen less loads all points.
# While a reindexing that cannot catch up with writers ends, they wait until `paused_until`.
collections = Table(
    "collections",
    metadata,
    Column("id", String(40), primary_key=True),  # vs_ and hexadecimal digits
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("key", String(80), nullable=False),  # who made it: a key or a user
    Column("description", String(1_000), nullable=False),
    Column("model", String(100), nullable=False),  # embedding model; empty: callers give vectors
    Column("dimensions", Integer, nullable=False),  # 0: those of the first point
    Column("metric", String(16), nullable=False),  # cosine, dot
    Column("generation", Integer, nullable=False),  # the points that are searched
    Column("sequence", BigInteger, nullable=False),
    Column("purged", BigInteger, nullable=False),
    Column("points", BigInteger, nullable=False),  # without tombstones
    Column("bytes", BigInteger, nullable=False),  # of texts, payloads and vectors
    Column("building", Integer),  # the generation that a reindexing makes
    Column("job", String(32)),  # of the reindexing
    Column("attributes", JSON, nullable=False),  # the caller's, of strings
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("used", Float, nullable=False),  # last search or change; rounded to minutes
    Column("keep_s", Float),  # deleted so long after `used`; NULL: never
    Column("paused_until", Float),  # texts and vectors are taken again from then on
    UniqueConstraint("tenant", "name", name="uq_collections_tenant_name"),
    Index("ix_collections_tenant_created", "tenant", "created"),
)

# Without a foreign key: the points of a deleted collection are deleted a few at a time.
points = Table(
    "points",
    metadata,
    Column("collection", String(40), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("id", String(128), primary_key=True),
    Column(*TENANT, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("vector", LargeBinary),  # float16; of length 1 where the metric is cosine
    Column("text", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("deleted", Boolean, nullable=False),  # a tombstone: no vector, no text, no payload
    Column("size", Integer, nullable=False, server_default=text("0")),  # bytes of all of them
    Column("updated", Float, nullable=False),
    Index("ix_points_sequence", "collection", "generation", "sequence"),
    Index("ix_points_tenant", "tenant"),
    Index(
        "ix_points_deleted",
        "collection",
        "sequence",
        sqlite_where=text("deleted = 1"),
        postgresql_where=text("deleted"),
    ),
)
