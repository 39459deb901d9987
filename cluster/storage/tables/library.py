"""The post library: posts, their versions, texts, tags, transitions and vectors; outcomes."""

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
from sqlalchemy.dialects.postgresql import TSVECTOR

from cluster.storage.tables.base import TENANT, metadata

NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER only


def _of_post() -> "Column[int]":
    number = ForeignKey("library_posts.number", ondelete="CASCADE")
    return Column("post", BigInteger, number, primary_key=True)


# `number` grows with each post and is never used again: pages and searches are ordered by it. The
# text is that of the current version. On SQLite `terms` are searched through the FTS5 table
# `library_search`, which triggers keep (cluster/storage/search_index.py).
library_posts = Table(
    "library_posts",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("id", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("platform", String(60), nullable=False),
    Column("language", String(60), nullable=False),
    Column("title", String(300), nullable=False),
    Column("body", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("version", Integer, nullable=False),  # the current one
    Column("versions", Integer, nullable=False),  # number of the last one that was made
    Column("revision", BigInteger, nullable=False),  # grows with each change: the ETag
    Column("created_by", String(80), nullable=False),
    Column("author", String(80), nullable=False),  # of the current version
    Column("approved_by", String(80)),
    Column("scheduled", Float),
    Column("zone", String(64)),
    Column("schedule", Integer, nullable=False),  # grows with each time that is set
    Column("due", Float),  # when `post.due` is to be published; NULL once it was
    Column("published", Float),
    Column("external_id", String(200)),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("terms", Text().with_variant(TSVECTOR, "postgresql"), nullable=False),
    UniqueConstraint("tenant", "id", name="uq_library_posts_tenant_id"),
    Index("ix_library_posts_tenant_number", "tenant", "number"),
    Index("ix_library_posts_tenant_status", "tenant", "status", "number"),
    Index("ix_library_posts_tenant_platform", "tenant", "platform", "number"),
    Index("ix_library_posts_tenant_created", "tenant", "created", "number"),
    Index("ix_library_posts_tenant_scheduled", "tenant", "scheduled", "number"),
    Index("ix_library_posts_tenant_status_scheduled", "tenant", "status", "scheduled", "number"),
    Index(
        "ix_library_posts_due",
        "due",
        sqlite_where=text("due IS NOT NULL"),
        postgresql_where=text("due IS NOT NULL"),
    ),
    Index("ix_library_posts_terms", "terms", postgresql_using="gin").ddl_if(dialect="postgresql"),
    sqlite_autoincrement=True,
)

# A version names its text by digest, so going back to an earlier one stores no text again.
library_versions = Table(
    "library_versions",
    metadata,
    _of_post(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column(*TENANT, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("title", String(300), nullable=False),
    Column("author", String(80), nullable=False),
    Column("note", String(300), nullable=False),
    Column("origin", String(16), nullable=False),  # written, generated, restored
    Column("is_candidate", Boolean, nullable=False),  # it was never the current one
    Column("scores", JSON),
    Column("created", Float, nullable=False),
    Index("ix_library_versions_tenant_digest", "tenant", "digest"),
)

library_bodies = Table(
    "library_bodies",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("digest", String(64), primary_key=True),  # SHA-256 of the text in UTF-8
    Column("body", Text, nullable=False),
    Column("size", Integer, nullable=False),  # bytes in UTF-8
)

library_transitions = Table(
    "library_transitions",
    metadata,
    _of_post(),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column(*TENANT, nullable=False),
    Column("transition", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("target", String(16), nullable=False),
    Column("version", Integer, nullable=False),  # the current one then
    Column("actor", String(80), nullable=False),
    Column("note", String(300), nullable=False),
    Column("at", Float, nullable=False),
)

# What a tenant has stored, kept in the transaction of each change: quotas read no other row.
library_sizes = Table(
    "library_sizes",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("posts", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("last", Float, nullable=False),  # when the last post was made: times grow with numbers
)

# Of texts, made when they are first compared.
library_vectors = Table(
    "library_vectors",
    metadata,
    Column(*TENANT, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("model", String(100), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float16, of length 1
)

# What came of posts, and of whatever else a tenant counts.
outcomes = Table(
    "outcomes",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("id", String(128), primary_key=True),  # the caller's: a repeat counts once
    Column("name", String(64), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("value", BigInteger, nullable=False),  # millionths of the currency
    Column("currency", String(3), nullable=False),  # empty: none
    Column("subject_kind", String(32), nullable=False),
    Column("subject", String(128), nullable=False),
    Column("user", String(64), nullable=False),  # keyed hash; empty: not named
    Column("request_id", String(128), nullable=False),
    Column("at", Float, nullable=False),
    Column("day", String(10), nullable=False),  # UTC
    Column("received", Float, nullable=False, index=True),
    Index("ix_outcomes_subject", "tenant", "subject_kind", "subject", "day"),
)
