"""Prompt templates of tenants, their versions and labels."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    String,
    Table,
)

from cluster.storage.tables.base import TENANT, metadata

TEMPLATE = ("template", String(64))
OF_TEMPLATE = (["tenant", "template"], ["templates.tenant", "templates.id"])

templates = Table(
    "templates",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("require_tests", Boolean, nullable=False),
    Column("latest", Integer, nullable=False),  # number of the last version that was made
    Column("size", BigInteger, nullable=False),  # bytes of the examples before encryption
    Column("examples", LargeBinary, nullable=False),  # encrypted with the tenant's secret
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column(*TENANT, primary_key=True),
    Column(*TEMPLATE, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("author", String(80), nullable=False),
    Column("note", String(500), nullable=False),
    Column("size", Integer, nullable=False),  # bytes of the content before encryption
    Column("content", LargeBinary, nullable=False),  # encrypted with the tenant's secret
    Column("passed", String(64)),  # SHA-256 of the examples that it has passed last
    Column("created", Float, nullable=False),
    Column("activated", Float),  # when a label first pointed to it
    ForeignKeyConstraint(*OF_TEMPLATE, ondelete="CASCADE"),
)

template_labels = Table(
    "template_labels",
    metadata,
    Column(*TENANT, primary_key=True),
    Column(*TEMPLATE, primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("previous", Integer),  # the version before
    Column("updated", Float, nullable=False),
    ForeignKeyConstraint(*OF_TEMPLATE, ondelete="CASCADE"),
)
