"""Which tables hold data of tenants, and what becomes of it: the one list that exports and erasures
go by. A table that is in none of these lists fails tests/unit/privacy.

To add a table: one TenantTable, before the tables that it refers to. A column of bytes is `omitted`
(a secret, a digest) or `sealed` (content, with the function that opens it).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Table, and_

from cluster.classifiers.model import unpack_head
from cluster.classifiers.repository import open_head
from cluster.responses.store import open_content
from cluster.storage import tables
from cluster.templates.sealing import TemplateSeal
from deployments.batches.item_store import open_sealed

Secret = bytes  # of a tenant: what its content is encrypted with
Opener = Callable[[Any, Secret], Any]  # a row in, a JSON value out


@dataclass(frozen=True, slots=True, eq=False)
class TenantTable:
    """`user` names the column that says whose a row is, as `user_form` writes a user's id there
    (None: a row is the tenant's alone). With `leaves_with_user` its rows are erased with the
    user; otherwise they stay, and the id in them stands for nobody. `erases` says which rows an
    erasure of the tenant deletes (None: all); with `is_kept` it deletes none.
    """

    table: Table
    omitted: frozenset[str] = frozenset()
    sealed: Mapping[str, Opener] = field(default_factory=dict)
    is_exported: bool = True
    is_kept: bool = False
    erases: ColumnElement[bool] | None = None
    user: str | None = None
    user_form: str = "{}"
    leaves_with_user: bool = False

    @property
    def name(self) -> str:
        return str(self.table.name)  # of a type that orjson does not take

    def of_tenant(self, tenant: str) -> ColumnElement[bool]:
        column = self.table.c.id if self.table is tables.tenants else self.table.c.tenant
        return column == tenant

    def of_user(self, tenant: str, user: str) -> ColumnElement[bool]:
        """Raises KeyError for a table without users."""
        column = self.table.c[self.user or ""]
        return and_(self.of_tenant(tenant), column == self.user_form.format(user))

    def erased(self, tenant: str) -> ColumnElement[bool]:
        """The rows that an erasure of the tenant deletes."""
        mine = self.of_tenant(tenant)
        return mine if self.erases is None else and_(mine, self.erases)


def _examples(row: Any, secret: Secret) -> Any:
    found = TemplateSeal(lambda _: secret).examples(row.tenant, row.examples, row.id, "examples")
    return [each.model_dump(mode="json") for each in found]


def _document(row: Any, secret: Secret) -> Any:
    seal, place = TemplateSeal(lambda _: secret), (row.template, str(row.number))
    return seal.document(row.tenant, row.content, *place).model_dump(mode="json")


def _response(row: Any, secret: Secret) -> Any:
    return orjson.loads(open_content(secret, row.tenant, row.id, row.content))


def _labels(row: Any, secret: Secret) -> Any:
    """Those of a classifier; its weights say nothing to a reader."""
    return list(unpack_head(open_head(row, secret))[0])


def _item_part(column: str) -> Opener:
    def opened(row: Any, secret: Secret) -> Any:
        sealed = getattr(row, column)
        if not sealed:
            return None
        return orjson.loads(open_sealed(secret, row.tenant, row.job, row.number, sealed))

    return opened


_DIMENSIONS = tables.usage_dimensions
# In the order in which they are erased: before the tables that they refer to.
TENANT_TABLES: tuple[TenantTable, ...] = (
    TenantTable(tables.deliveries, is_exported=False),
    TenantTable(tables.webhooks, omitted=frozenset({"secret"})),
    TenantTable(tables.events),
    TenantTable(
        tables.batch_items, sealed={"body": _item_part("body"), "result": _item_part("result")}
    ),
    TenantTable(tables.file_batches),
    TenantTable(tables.job_parts),
    TenantTable(tables.jobs, user="key", leaves_with_user=True),
    TenantTable(tables.job_shares, is_exported=False),
    TenantTable(tables.files, user="key"),
    TenantTable(tables.uploads, user="key"),
    TenantTable(tables.videos, user="key"),
    TenantTable(tables.stored_objects, omitted=frozenset({"place"})),
    TenantTable(tables.template_labels),
    TenantTable(
        tables.template_versions, sealed={"content": _document}, user="author", user_form="user:{}"
    ),
    TenantTable(tables.templates, sealed={"examples": _examples}),
    TenantTable(tables.vector_store_files, user="key"),
    TenantTable(tables.vector_store_batches),
    TenantTable(tables.vector_stores),
    TenantTable(tables.document_places),
    TenantTable(tables.document_chunks),
    TenantTable(tables.document_blocks),
    TenantTable(tables.documents, user="key"),
    TenantTable(tables.points, omitted=frozenset({"vector"})),
    TenantTable(tables.collections, user="key"),
    TenantTable(tables.classifiers, sealed={"content": _labels}),
    TenantTable(tables.library_transitions, user="actor", user_form="user:{}"),
    TenantTable(tables.library_versions, user="author", user_form="user:{}"),
    TenantTable(tables.library_bodies),
    TenantTable(tables.library_vectors, omitted=frozenset({"vector"}), is_exported=False),
    TenantTable(
        tables.library_posts,
        omitted=frozenset({"terms"}),
        user="created_by",
        user_form="user:{}",
    ),
    TenantTable(tables.library_sizes, is_exported=False),
    TenantTable(tables.outcomes),
    TenantTable(tables.stored_responses, sealed={"content": _response}),
    TenantTable(tables.idempotency_keys, is_exported=False),
    TenantTable(tables.cache_invalidations, is_exported=False),
    TenantTable(tables.tenant_settings),
    TenantTable(
        tables.api_keys,
        omitted=frozenset({"digest", "mac"}),
        user="created_by",
        user_form="user:{}",
    ),
    TenantTable(tables.teams),
    TenantTable(tables.refresh_tokens, is_exported=False, user="user", leaves_with_user=True),
    TenantTable(tables.ended_sessions, is_exported=False, user="user", leaves_with_user=True),
    TenantTable(
        tables.users, omitted=frozenset({"password", "mac"}), user="id", leaves_with_user=True
    ),
    # The ledger and the trail stay. They name keys, users and end users by ids and keyed hashes;
    # the tenant's own words in the ledger, its tags and teams, are erased.
    TenantTable(tables.usage, is_kept=True, user="key"),
    TenantTable(_DIMENSIONS, erases=_DIMENSIONS.c.dimension.in_(("tag", "team"))),
    TenantTable(
        tables.audit_records,
        omitted=frozenset({"mac"}),
        is_kept=True,
        user="actor",
        user_form="user:{}",
    ),
    TenantTable(tables.tenants, omitted=frozenset({"secret"}), is_kept=True),
)
# No tenant's, or nothing but numbers of processes.
OF_NO_TENANT = frozenset(
    {
        "audit_heads", "changes", "health_probes", "plans", "scaling_bounds", "scaling_decisions",
        "signing_keys", "usage_batches",
    }
)  # fmt: skip
BY_CASCADE = MappingProxyType({"job_checkpoints": "jobs", "job_events": "jobs"})
