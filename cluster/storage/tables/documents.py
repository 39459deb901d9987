"""Documents of tenants: what they say, block by block; deployments/documents."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cluster.storage.tables.base import TENANT, metadata

documents = Table(
    "documents",
    metadata,
    Column("id", String(40), primary_key=True),  # doc_ and hexadecimal digits
    Column(*TENANT, ForeignKey("tenants.id"), nullable=False),
    Column("key", String(80), nullable=False),  # who sent it: a key or a user
    Column("name", String(255), nullable=False),
    Column("sha256", String(64)),  # NULL until a URL is fetched
    Column("state", String(16), nullable=False),  # reading, readable, indexed, failed
    Column("format", String(16), nullable=False),  # empty until it is read
    Column("by", String(100), nullable=False),  # name@version of what read it
    Column("title", Text, nullable=False),
    Column("language", String(8), nullable=False),  # ISO 639; empty: not known
    Column("bytes", BigInteger, nullable=False),
    Column("pages", Integer, nullable=False),
    Column("blocks", Integer, nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("characters", BigInteger, nullable=False),
    Column("notes", JSON, nullable=False),  # what could not be read
    Column("problem", JSON),
    Column("job", String(32)),  # the last one that read or indexed it
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    UniqueConstraint("tenant", "sha256", name="uq_documents_tenant_sha256"),
    Index("ix_documents_tenant_created", "tenant", "created"),
)

# These have no foreign keys: a document's rows are deleted before it, in one transaction.
document_blocks = Table(
    "document_blocks",
    metadata,
    Column("document", String(40), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 0, in reading order
    Column(*TENANT, nullable=False),
    Column("page", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("level", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("box", JSON, nullable=False),
    Index("ix_document_blocks_tenant", "tenant"),
)

# A chunk goes from code point `start` of block `block` up to `end` of block `last_block`.
document_chunks = Table(
    "document_chunks",
    metadata,
    Column("document", String(40), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column(*TENANT, nullable=False),
    Column("page", Integer, nullable=False),
    Column("heading", Text, nullable=False),  # the path of headings above it
    Column("block", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("last_block", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_document_chunks_tenant", "tenant"),
)

# The collections that have the chunks of a document as points. `options` say how it is cut into
# them, and what every point says beside.
document_places = Table(
    "document_places",
    metadata,
    Column("document", String(40), primary_key=True),
    Column("collection", String(40), primary_key=True),
    Column(*TENANT, nullable=False),
    Column("state", String(16), nullable=False),  # waiting, indexed
    Column("points", Integer, nullable=False),  # that it has there, or may have
    Column("options", JSON, nullable=False),
    Column("updated", Float, nullable=False),
    Index("ix_document_places_collection", "collection"),
    Index("ix_document_places_tenant", "tenant"),
)
