"""SQL of tenants' classifiers.

Methods take the caller's connection first and never commit. Labels and weights are encrypted with
the tenant's secret and bound to their row and version: one that was changed or moved in the
database does not open. Knows no authorization, and not what weights mean.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.classifiers.model import (
    ClassifierLimits,
    ClassifierQuotaExceeded,
    TenantClassifier,
    TrainedWeights,
    no_classifier,
    unpack_head,
)
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict
from cluster.secrets.encryption import DecryptionFailed, SecretBox
from cluster.storage.database import DatabaseUnavailable
from cluster.storage.pagination import Page, page
from cluster.storage.tables import classifiers

_PURPOSE = "classifiers"

log = logging.getLogger(__name__)


class ClassifierRepository:
    """`secret_of` gives a tenant's secret."""

    def __init__(
        self,
        secret_of: Callable[[str], bytes],
        clock: Clock,
        limits: ClassifierLimits | None = None,
    ) -> None:
        self._secret_of = secret_of
        self._clock = clock
        self._limits = limits or ClassifierLimits()

    async def create(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        description: str,
        weights: TrainedWeights,
    ) -> TenantClassifier:
        """Version 1. Raises Conflict (id), ClassifierQuotaExceeded."""
        await self.check_new(connection, tenant, id)
        now = self._clock.wall()
        values = {"tenant": tenant, "id": id, "description": description, "created": now}
        values |= self._trained(tenant, id, 1, weights)
        try:
            await connection.execute(insert(classifiers).values(**values))
        except IntegrityError as error:
            raise _exists(id) from error
        return TenantClassifier(id, description, 1, weights.labels, weights.examples, now, now)

    async def check_new(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        """Whether there may be one of this id. Raises Conflict (id), ClassifierQuotaExceeded."""
        exists = select(func.count()).where(_is(tenant, id))
        if (await connection.execute(exists)).scalar_one():
            raise _exists(id)
        count = select(func.count()).where(classifiers.c.tenant == tenant)
        if (await connection.execute(count)).scalar_one() >= self._limits.max_count:
            raise ClassifierQuotaExceeded(self._limits.max_count)

    async def replace(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        description: str | None,
        weights: TrainedWeights,
    ) -> TenantClassifier:
        """The next version, instead of the one before. Raises NotFound."""
        before = await self.get(connection, tenant, id)
        version = before.version + 1
        values = self._trained(tenant, id, version, weights)
        if description is not None:
            values["description"] = description
        await connection.execute(update(classifiers).where(_is(tenant, id)).values(**values))
        return replace(
            before,
            description=before.description if description is None else description,
            version=version,
            labels=weights.labels,
            examples=weights.examples,
            updated=values["updated"],
        )

    async def get(self, connection: AsyncConnection, tenant: str, id: str) -> TenantClassifier:
        """Raises NotFound."""
        return (await self.open(connection, tenant, id))[0]

    async def open(
        self, connection: AsyncConnection, tenant: str, id: str
    ) -> tuple[TenantClassifier, bytes]:
        """With its packed head. Raises NotFound."""
        row = (await connection.execute(select(classifiers).where(_is(tenant, id)))).first()
        if row is None:
            raise no_classifier(id)
        return self._read(row)

    async def list(
        self, connection: AsyncConnection, tenant: str, limit: int, after: str | None
    ) -> Page[TenantClassifier]:
        """By id."""
        statement = select(classifiers).where(classifiers.c.tenant == tenant)
        return await page(
            connection, statement, classifiers.c.id, limit, after, lambda row: self._read(row)[0]
        )

    async def delete(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        """Raises NotFound."""
        result = await connection.execute(delete(classifiers).where(_is(tenant, id)))
        if result.rowcount != 1:
            raise no_classifier(id)

    def _trained(
        self, tenant: str, id: str, version: int, weights: TrainedWeights
    ) -> dict[str, Any]:
        """The columns that a training writes."""
        return {
            "version": version,
            "examples": weights.examples,
            "size": len(weights.head),
            "content": self._box(tenant).encrypt(weights.head, _context(tenant, id, version)),
            "updated": self._clock.wall(),
        }

    def _read(self, row: Row[Any]) -> tuple[TenantClassifier, bytes]:
        try:
            head = open_head(row, self._secret_of(row.tenant))
        except DecryptionFailed:
            log.error("a classifier of tenant %s cannot be decrypted", row.tenant)
            raise DatabaseUnavailable from None
        described = TenantClassifier(
            row.id,
            row.description,
            row.version,
            unpack_head(head)[0],
            row.examples,
            row.created,
            row.updated,
        )
        return described, head

    def _box(self, tenant: str) -> SecretBox:
        return SecretBox(self._secret_of(tenant), _PURPOSE)


def open_head(row: Any, secret: bytes) -> bytes:
    """The packed head of a row of `classifiers`. Raises DecryptionFailed."""
    context = _context(row.tenant, row.id, row.version)
    return SecretBox(secret, _PURPOSE).decrypt(row.content, context)


def _is(tenant: str, id: str) -> ColumnElement[bool]:
    return and_(classifiers.c.tenant == tenant, classifiers.c.id == id)


def _exists(id: str) -> Conflict:
    return Conflict(f"There is a classifier '{id}' already.", param="id")


def _context(tenant: str, id: str, version: int) -> bytes:
    """The encryption context, which binds content to its row and version."""
    return "\0".join((tenant, id, str(version))).encode()
