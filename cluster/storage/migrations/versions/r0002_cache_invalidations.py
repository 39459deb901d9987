"""The table of cache invalidations.

It says what the table was at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "cache_invalidations",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "name", name=op.f("pk_cache_invalidations")),
    )
    op.create_index(
        op.f("ix_cache_invalidations_seq"), "cache_invalidations", ["seq"], unique=False
    )
