"""The tables of the post library, and its full-text index: FTS5 with triggers, or GIN.

It says what they were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0016"
down_revision = "0015"

_ADD = "INSERT INTO library_search(rowid, terms) VALUES (new.number, new.terms);"
_REMOVE = (
    "INSERT INTO library_search(library_search, rowid, terms) "
    "VALUES ('delete', old.number, old.terms);"
)
_ON_SQLITE = (
    "CREATE VIRTUAL TABLE library_search USING fts5(terms, content='library_posts', "
    "content_rowid='number', tokenize='ascii', detail='none', columnsize=0, prefix='3')",
    f"CREATE TRIGGER library_search_insert AFTER INSERT ON library_posts BEGIN {_ADD} END",
    f"CREATE TRIGGER library_search_delete AFTER DELETE ON library_posts BEGIN {_REMOVE} END",
    "CREATE TRIGGER library_search_update AFTER UPDATE OF terms ON library_posts "
    f"BEGIN {_REMOVE} {_ADD} END",
)


def upgrade() -> None:
    op.create_table(
        "library_posts",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("platform", sa.String(length=60), nullable=False),
        sa.Column("language", sa.String(length=60), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("versions", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("approved_by", sa.String(length=80), nullable=True),
        sa.Column("scheduled", sa.Float(), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.Column("schedule", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=True),
        sa.Column("published", sa.Float(), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("terms", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_library_posts_tenant")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_library_posts")),
        sa.UniqueConstraint("tenant", "id", name="uq_library_posts_tenant_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_library_posts_due",
        "library_posts",
        ["due"],
        unique=False,
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_index(
        "ix_library_posts_tenant_number", "library_posts", ["tenant", "number"], unique=False
    )
    op.create_index(
        "ix_library_posts_tenant_platform",
        "library_posts",
        ["tenant", "platform", "number"],
        unique=False,
    )
    op.create_index(
        "ix_library_posts_tenant_created",
        "library_posts",
        ["tenant", "created", "number"],
        unique=False,
    )
    op.create_index(
        "ix_library_posts_tenant_status_scheduled",
        "library_posts",
        ["tenant", "status", "scheduled", "number"],
        unique=False,
    )
    op.create_index(
        "ix_library_posts_tenant_scheduled",
        "library_posts",
        ["tenant", "scheduled", "number"],
        unique=False,
    )
    op.create_index(
        "ix_library_posts_tenant_status",
        "library_posts",
        ["tenant", "status", "number"],
        unique=False,
    )
    op.create_table(
        "library_versions",
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("is_candidate", sa.Boolean(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post"],
            ["library_posts.number"],
            name=op.f("fk_library_versions_post"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("post", "number", name=op.f("pk_library_versions")),
    )
    op.create_index(
        "ix_library_versions_tenant_digest", "library_versions", ["tenant", "digest"], unique=False
    )
    op.create_table(
        "library_bodies",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_library_bodies")),
    )
    op.create_table(
        "library_transitions",
        sa.Column("post", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("transition", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post"],
            ["library_posts.number"],
            name=op.f("fk_library_transitions_post"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("post", "seq", name=op.f("pk_library_transitions")),
    )
    op.create_table(
        "library_sizes",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("posts", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_library_sizes_tenant")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_library_sizes")),
    )
    op.create_table(
        "library_vectors",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "digest", "model", name=op.f("pk_library_vectors")),
    )
    if op.get_bind().dialect.name == "sqlite":
        for statement in _ON_SQLITE:
            op.get_bind().exec_driver_sql(statement)
    else:
        op.create_index(
            "ix_library_posts_terms", "library_posts", ["terms"], postgresql_using="gin"
        )
