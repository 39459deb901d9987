"""MACs of the rows that give rights, emails that are unique in their tenant, sessions that ended.

It says what the tables were at this revision, so it never imports today's. Existing rows get their
MACs afterwards, from cluster/auth/adoption.py: the pepper is not known here.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for table in ("api_keys", "users", "signing_keys", "refresh_tokens"):
        op.add_column(table, sa.Column("mac", sa.LargeBinary(), nullable=True))
    if op.get_context().dialect.name == "sqlite":
        _exchange_constraint_in_a_new_table()
    else:
        op.drop_constraint("uq_users_email", "users")
        op.create_unique_constraint("uq_users_email_tenant", "users", ["email", "tenant"])
    op.create_table(
        "ended_sessions",
        sa.Column("family", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("user", sa.String(length=32), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("family", name=op.f("pk_ended_sessions")),
    )
    op.create_index(op.f("ix_ended_sessions_user"), "ended_sessions", ["user"], unique=False)
    op.create_index(op.f("ix_ended_sessions_until"), "ended_sessions", ["until"], unique=False)


def _exchange_constraint_in_a_new_table() -> None:
    """SQLite changes no constraint: the table is built anew. Dropping the old one would take the
    refresh tokens along (ON DELETE CASCADE), so they are put aside meanwhile."""
    op.execute("CREATE TEMPORARY TABLE tokens_aside AS SELECT * FROM refresh_tokens")
    with op.batch_alter_table("users") as users:
        users.drop_constraint("uq_users_email", type_="unique")
        users.create_unique_constraint("uq_users_email_tenant", ["email", "tenant"])
    op.execute("INSERT INTO refresh_tokens SELECT * FROM tokens_aside")
    op.execute("DROP TABLE tokens_aside")
