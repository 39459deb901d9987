"""Exports and erasures cover every table: a new one has to say what becomes of its rows."""

from itertools import combinations
from types import SimpleNamespace

from sqlalchemy import LargeBinary

from cluster.classifiers.model import TrainedWeights, pack_head
from cluster.classifiers.repository import ClassifierRepository
from cluster.runtime.clock import ManualClock
from cluster.storage.tables import metadata
from deployments.privacy.erasure import erased_tables
from deployments.privacy.tables import BY_CASCADE, OF_NO_TENANT, TENANT_TABLES

LISTED = {table.name: table for table in TENANT_TABLES}


def test_every_table_is_in_one_list() -> None:
    lists = (set(LISTED), set(OF_NO_TENANT), set(BY_CASCADE))

    assert set[str]().union(*lists) == set(metadata.tables)
    assert [a & b for a, b in combinations(lists, 2)] == [set()] * 3
    assert len(TENANT_TABLES) == len(LISTED)


def test_what_names_a_tenant_is_of_a_tenant() -> None:
    named = {name for name, table in metadata.tables.items() if "tenant" in table.c}

    assert named | {"tenants"} == set(LISTED)


def test_rows_that_refer_to_others_are_erased_before_them() -> None:
    order = [table.name for table in erased_tables()]
    parents = {
        (table.name, key.column.table.name)
        for table in erased_tables()
        for key in table.table.foreign_keys
    }

    wrong = [
        (child, parent)
        for child, parent in parents
        if parent in order and order.index(child) > order.index(parent)
    ]
    assert wrong == []


def test_no_export_has_bytes_that_nobody_has_opened() -> None:
    for table in TENANT_TABLES:
        binary = {column.name for column in table.table.c if isinstance(column.type, LargeBinary)}
        assert not table.is_exported or binary <= table.omitted | set(table.sealed), table.name


def test_columns_that_are_named_exist() -> None:
    for table in TENANT_TABLES:
        named = table.omitted | set(table.sealed) | ({table.user} if table.user else set())
        assert named <= set(table.table.c.keys()), table.name


def test_what_cascades_names_no_tenant_and_refers_to_what_is_erased() -> None:
    for child, parent in BY_CASCADE.items():
        keys = metadata.tables[child].foreign_keys
        assert {(key.column.table.name, key.ondelete) for key in keys} == {(parent, "CASCADE")}
        assert not LISTED[parent].is_kept


def test_a_classifier_is_exported_by_its_labels() -> None:
    secret = b"s" * 32
    repository = ClassifierRepository(lambda _: secret, ManualClock())
    weights = TrainedWeights(pack_head(("good", "bad"), bytes(8)), 10)
    row = SimpleNamespace(
        tenant="acme", id="tone", **repository._trained("acme", "tone", 1, weights)
    )

    assert LISTED["classifiers"].sealed["content"](row, secret) == ["good", "bad"]
