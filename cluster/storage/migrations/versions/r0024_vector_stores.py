"""The tables of vector stores, their files, and batches of these.

It says what the tables were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "vector_stores",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["id"], ["collections.id"], name=op.f("fk_vector_stores_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vector_stores")),
    )
    op.create_index("ix_vector_stores_tenant_created", "vector_stores", ["tenant", "created"])
    op.create_table(
        "vector_store_batches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("store", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["store"],
            ["vector_stores.id"],
            name=op.f("fk_vector_store_batches_store"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vector_store_batches")),
    )
    op.create_index("ix_vector_store_batches_store", "vector_store_batches", ["store"])
    op.create_index(op.f("ix_vector_store_batches_tenant"), "vector_store_batches", ["tenant"])
    op.create_table(
        "vector_store_files",
        sa.Column("store", sa.String(length=40), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.String(length=40), nullable=True),
        sa.Column("owns_document", sa.Boolean(), nullable=False),
        sa.Column("batch", sa.String(length=40), nullable=True),
        sa.Column("job", sa.String(length=32), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("chunking", sa.JSON(), nullable=False),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["store"],
            ["vector_stores.id"],
            name=op.f("fk_vector_store_files_store"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("store", "file", name=op.f("pk_vector_store_files")),
    )
    op.create_index(
        "ix_vector_store_files_store_created", "vector_store_files", ["store", "created"]
    )
    op.create_index("ix_vector_store_files_document", "vector_store_files", ["document"])
    op.create_index(op.f("ix_vector_store_files_batch"), "vector_store_files", ["batch"])
    op.create_index(op.f("ix_vector_store_files_tenant"), "vector_store_files", ["tenant"])
