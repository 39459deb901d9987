"""The table of usage by dimension; what was used before counts for the provider `local`.

It says what the tables were at this revision, so it never imports today's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

SUMS = ("amount", "cost", "revenue")


def upgrade() -> None:
    op.create_table(
        "usage_dimensions",
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("dimension", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("unit", sa.String(length=20), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint(
            "tenant",
            "dimension",
            "value",
            "day",
            "model",
            "unit",
            name=op.f("pk_usage_dimensions"),
        ),
    )
    op.create_index(
        "ix_usage_dimensions_tenant_dimension_day_value",
        "usage_dimensions",
        ["tenant", "dimension", "day", "value"],
        unique=False,
    )
    keys = ("tenant", "day", "model", "unit")
    old = sa.table("usage", *map(sa.column, (*keys, *SUMS)))
    new = sa.table("usage_dimensions", *map(sa.column, (*keys, *SUMS, "dimension", "value")))
    columns = [old.c[name] for name in keys]
    sums = sa.select(
        *columns,
        *(sa.func.sum(old.c[name]) for name in SUMS),
        sa.literal("provider"),
        sa.literal("local"),
    ).group_by(*columns)
    op.execute(sa.insert(new).from_select([*keys, *SUMS, "dimension", "value"], sums))
