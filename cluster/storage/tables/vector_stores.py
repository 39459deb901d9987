"""OpenAI's vector stores and the files in them; deployments/vector_stores."""

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Index, String, Table

from cluster.storage.tables.base import TENANT, metadata

# A vector store is a collection with a name that need not be unique, and goes with it.
vector_stores = Table(
    "vector_stores",
    metadata,
    Column("id", String(40), ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column(*TENANT, nullable=False),
    Column("name", String(256), nullable=False),
    Column("attributes", JSON, nullable=False),  # OpenAI's `metadata`
    Column("created", Float, nullable=False),
    Index("ix_vector_stores_tenant_created", "tenant", "created"),
)

vector_store_batches = Table(
    "vector_store_batches",
    metadata,
    Column("id", String(40), primary_key=True),  # vsfb_ and hexadecimal digits
    Column("store", String(40), ForeignKey("vector_stores.id", ondelete="CASCADE"), nullable=False),
    Column(*TENANT, nullable=False, index=True),
    Column("cancelled", Boolean, nullable=False),
    Column("created", Float, nullable=False),
    Index("ix_vector_store_batches_store", "store"),
)

# How a file stands is said by its document, and by that document's place in the collection.
vector_store_files = Table(
    "vector_store_files",
    metadata,
    Column(
        "store", String(40), ForeignKey("vector_stores.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("file", String(40), primary_key=True),
    Column(*TENANT, nullable=False, index=True),
    Column("name", String(255), nullable=False),  # of the file
    Column("key", String(80), nullable=False),  # who put it there: a key or a user
    Column("state", String(16), nullable=False),  # active, failed, cancelled
    Column("document", String(40)),  # NULL: it is none yet
    Column("owns_document", Boolean, nullable=False),  # it was made for this file, and goes with it
    Column("batch", String(40), index=True),
    Column("job", String(32)),  # that makes it a document
    Column("attributes", JSON, nullable=False),
    Column("chunking", JSON, nullable=False),  # tokens and overlap; empty: as documents are cut
    Column("error", JSON),  # code and message
    Column("created", Float, nullable=False),
    Index("ix_vector_store_files_store_created", "store", "created"),
    Index("ix_vector_store_files_document", "document"),
)
