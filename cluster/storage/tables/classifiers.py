"""Classifiers of tenants."""

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, String, Table

from cluster.storage.tables.base import TENANT, metadata

classifiers = Table(
    "classifiers",
    metadata,
    Column(*TENANT, ForeignKey("tenants.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("description", String(500), nullable=False),
    Column("version", Integer, nullable=False),  # how often it was trained
    Column("examples", Integer, nullable=False),  # it was trained with
    Column("size", Integer, nullable=False),  # bytes of the content before encryption
    Column("content", LargeBinary, nullable=False),  # labels and weights, encrypted
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)
