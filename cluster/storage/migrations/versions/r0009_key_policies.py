"""Policies, teams and accounts of API keys; the table of teams.

It says what the tables were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("policy", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("team", sa.String(length=63), nullable=True))
    op.add_column("api_keys", sa.Column("account", sa.String(length=32), nullable=True))
    op.create_table(
        "teams",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_teams_tenant_tenants")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_teams")),
    )
