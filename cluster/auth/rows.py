"""Rows with a MAC, read and written by tenant and id: for the repositories of this folder."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.row_macs import RowAltered, RowMacs, as_stored, stored_values
from cluster.runtime.problems import NotFound
from cluster.storage.pagination import is_id

RESOURCE_NAMES = {"api_keys": "key", "users": "user"}


async def get_row(
    connection: AsyncConnection,
    macs: RowMacs,
    table: Table,
    tenant: str,
    id: str,
    *,
    altered: bool = False,
    lock: bool = False,
) -> Mapping[str, Any]:
    """The values of a row. Raises NotFound, and RowAltered unless `altered` rows are accepted."""
    resource = RESOURCE_NAMES[table.name]
    statement = stored_values(table).where(table.c.tenant == tenant, table.c.id == id)
    statement = statement.with_for_update() if lock else statement
    row = (await connection.execute(statement)).first() if is_id(tenant) and is_id(id) else None
    if row is None:
        raise NotFound(f"There is no {resource} '{id[:63]}'.", param=resource)
    values = macs.genuine(table, row)
    if values is None:
        try:
            values = as_stored(table, row) if altered else None
        except ValueError:
            values = None
    if values is None:
        raise RowAltered(resource, id)
    return values


async def update_row(
    connection: AsyncConnection, table: Table, tenant: str, id: str, values: Mapping[str, Any]
) -> None:
    conditions = (table.c.tenant == tenant, table.c.id == id)
    await connection.execute(update(table).where(*conditions).values(**values))


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def record_fields(record: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(record)}
