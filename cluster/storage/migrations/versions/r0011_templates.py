"""The tables of prompt templates, their versions and labels.

It says what the tables were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("require_tests", sa.Boolean(), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("examples", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_templates_tenant")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_templates")),
    )
    op.create_table(
        "template_versions",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("passed", sa.String(length=64), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("activated", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant", "template"],
            ["templates.tenant", "templates.id"],
            name=op.f("fk_template_versions_tenant_template"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "template", "number", name=op.f("pk_template_versions")),
    )
    op.create_table(
        "template_labels",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "template"],
            ["templates.tenant", "templates.id"],
            name=op.f("fk_template_labels_tenant_template"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "template", "label", name=op.f("pk_template_labels")),
    )
