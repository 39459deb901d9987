"""The table of stored responses.

It says what the table was at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "stored_responses",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("previous", sa.String(length=80), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_stored_responses")),
    )
    op.create_index(
        op.f("ix_stored_responses_expires"), "stored_responses", ["expires"], unique=False
    )
    op.create_index(
        "ix_stored_responses_tenant_expires_size",
        "stored_responses",
        ["tenant", "expires", "size"],
        unique=False,
    )
