"""The tables of scaling decisions and of bounds laid down by hand.

It says what the tables were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "scaling_decisions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("deployment", sa.String(length=300), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("ready", sa.Integer(), nullable=False),
        sa.Column("before", sa.Integer(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=False),
        sa.Column("bound", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("signals", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scaling_decisions")),
    )
    op.create_index("ix_scaling_decisions_at", "scaling_decisions", ["at", "id"], unique=False)
    op.create_index(
        "ix_scaling_decisions_deployment_at",
        "scaling_decisions",
        ["deployment", "at", "id"],
        unique=False,
    )
    op.create_table(
        "scaling_bounds",
        sa.Column("deployment", sa.String(length=300), nullable=False),
        sa.Column("floor", sa.Integer(), nullable=True),
        sa.Column("ceiling", sa.Integer(), nullable=True),
        sa.Column("until", sa.Float(), nullable=True),
        sa.Column("set_by", sa.String(length=100), nullable=False),
        sa.Column("set_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("deployment", name=op.f("pk_scaling_bounds")),
    )
