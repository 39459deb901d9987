"""SQL of templates, their versions and labels.

Methods take the caller's connection first and never commit. Content is sealed (sealing.py). Each
change is told to the directories of all replicas, by tenant. Knows no authorization.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict
from cluster.storage.pagination import Page, page
from cluster.storage.tables import template_labels, template_versions, templates
from cluster.templates.document import TemplateDocument
from cluster.templates.examples import TemplateExample
from cluster.templates.model import (
    LabelMove,
    Template,
    TemplateLimits,
    TemplateQuotaExceeded,
    TemplateVersion,
    no_template,
    no_version,
)
from cluster.templates.sealing import TemplateSeal, dump_document, dump_examples
from cluster.tenants.repository import record_change

MAX_LABELS = 20  # of a template
_HEAD = (
    templates.c.id,
    templates.c.description,
    templates.c.require_tests,
    templates.c.latest,
    templates.c.created,
    templates.c.updated,
)


class TemplateRepository:
    """`secret_of` gives a tenant's secret."""

    def __init__(
        self,
        secret_of: Callable[[str], bytes],
        clock: Clock,
        limits: TemplateLimits | None = None,
    ) -> None:
        self._seal = TemplateSeal(secret_of)
        self._clock = clock
        self._limits = limits or TemplateLimits()

    async def create(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        description: str,
        require_tests: bool,
        examples: Sequence[TemplateExample],
    ) -> Template:
        """A template without versions. Raises Conflict (id), TemplateQuotaExceeded."""
        now, content = self._clock.wall(), dump_examples(examples)
        count = select(func.count()).where(templates.c.tenant == tenant)
        if (await connection.execute(count)).scalar_one() >= self._limits.max_count:
            raise TemplateQuotaExceeded("id", "templates of a tenant", self._limits.max_count)
        values = {
            "tenant": tenant,
            "id": id,
            "description": description,
            "require_tests": require_tests,
            "latest": 0,
            "size": len(content),
            "examples": self._seal.encrypt(tenant, content, id, "examples"),
            "created": now,
            "updated": now,
        }
        try:
            await connection.execute(insert(templates).values(**values))
        except IntegrityError as error:
            raise Conflict(f"There is a template '{id}' already.", param="id") from error
        await self._check_bytes(connection, tenant, "examples")
        await self._tell(connection, tenant)
        return Template(id, description, require_tests, 0, now, now)

    async def get(self, connection: AsyncConnection, tenant: str, id: str) -> Template:
        """Raises NotFound."""
        rows = await connection.execute(select(*_HEAD).where(_is(templates, tenant, id)))
        row = rows.first()
        if row is None:
            raise no_template(id)
        labels = await self._labels(connection, tenant, [id])
        return Template(**row._mapping, labels=labels[id])

    async def list(
        self, connection: AsyncConnection, tenant: str, limit: int, after: str | None
    ) -> Page[Template]:
        """By id."""
        statement = select(*_HEAD).where(templates.c.tenant == tenant)
        found = await page(connection, statement, templates.c.id, limit, after, _template)
        labels = await self._labels(connection, tenant, [each.id for each in found.items])
        items = tuple(replace(each, labels=labels[each.id]) for each in found.items)
        return Page(items, found.next)

    async def update(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        *,
        description: str | None = None,
        require_tests: bool | None = None,
        examples: Sequence[TemplateExample] | None = None,
    ) -> Template:
        """Changes what is not None. Raises NotFound, TemplateQuotaExceeded."""
        await self.get(connection, tenant, id)
        fields = {"description": description, "require_tests": require_tests}
        values: dict[str, Any] = {name: each for name, each in fields.items() if each is not None}
        if examples is not None:
            content = dump_examples(examples)
            values["size"] = len(content)
            values["examples"] = self._seal.encrypt(tenant, content, id, "examples")
        await self._touch(connection, tenant, id, **values)
        if examples is not None:
            await self._check_bytes(connection, tenant, "examples")
        return await self.get(connection, tenant, id)

    async def examples(
        self, connection: AsyncConnection, tenant: str, id: str
    ) -> tuple[TemplateExample, ...]:
        """Raises NotFound."""
        statement = select(templates.c.examples).where(_is(templates, tenant, id))
        sealed = (await connection.execute(statement)).scalar()
        if sealed is None:
            raise no_template(id)
        return self._seal.examples(tenant, sealed, id, "examples")

    async def delete(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        """With its versions and labels. Raises NotFound."""
        result = await connection.execute(delete(templates).where(_is(templates, tenant, id)))
        if result.rowcount != 1:
            raise no_template(id)
        await self._tell(connection, tenant)

    async def add_version(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        author: str,
        note: str,
        document: TemplateDocument,
    ) -> TemplateVersion:
        """The next version. Raises NotFound, TemplateQuotaExceeded."""
        template, limits = await self.get(connection, tenant, id), self._limits
        mine = _of(template_versions, tenant, id)
        count = select(func.count()).select_from(template_versions).where(mine)
        if (await connection.execute(count)).scalar_one() >= limits.max_versions:
            raise TemplateQuotaExceeded("version", "versions of a template", limits.max_versions)
        number, now = template.latest + 1, self._clock.wall()
        content = dump_document(document)
        values = {
            "tenant": tenant,
            "template": id,
            "number": number,
            "author": author,
            "note": note,
            "size": len(content),
            "content": self._seal.encrypt(tenant, content, id, str(number)),
            "created": now,
        }
        await connection.execute(insert(template_versions).values(**values))
        await self._check_bytes(connection, tenant, "version")
        await self._touch(connection, tenant, id, latest=number)
        return TemplateVersion(id, number, author, note, document, None, now, None)

    async def version(
        self, connection: AsyncConnection, tenant: str, id: str, number: int
    ) -> TemplateVersion:
        """Raises NotFound."""
        statement = select(template_versions).where(_is_version(tenant, id, number))
        row = (await connection.execute(statement)).first()
        if row is None:
            await self.get(connection, tenant, id)
            raise no_version(id, number)
        return self._version(row)

    async def versions(
        self, connection: AsyncConnection, tenant: str, id: str, limit: int, before: int | None
    ) -> Page[TemplateVersion]:
        """Newest first, those with lower numbers than `before`. Raises NotFound."""
        await self.get(connection, tenant, id)
        number = template_versions.c.number
        statement = select(template_versions).where(_of(template_versions, tenant, id))
        if before is not None:
            statement = statement.where(number < before)
        ordered = statement.order_by(number.desc()).limit(limit + 1)
        found = [self._version(row) for row in await connection.execute(ordered)]
        next_page = str(found[limit - 1].number) if len(found) > limit else None
        return Page(tuple(found[:limit]), next_page)

    async def delete_version(
        self, connection: AsyncConnection, tenant: str, id: str, number: int
    ) -> None:
        """Its number is not used again. Raises NotFound, Conflict while a label points to it."""
        template = await self.get(connection, tenant, id)
        pointing = [label for label, version in template.labels.items() if version == number]
        if pointing:
            raise Conflict(
                f"version: the label '{pointing[0]}' points to version {number}.", param="version"
            )
        which = _is_version(tenant, id, number)
        result = await connection.execute(delete(template_versions).where(which))
        if result.rowcount != 1:
            raise no_version(id, number)
        await self._touch(connection, tenant, id)

    async def move_label(
        self, connection: AsyncConnection, tenant: str, id: str, label: str, number: int
    ) -> LabelMove:
        """Lets the label point to the version. Raises NotFound, TemplateQuotaExceeded."""
        version = await self.version(connection, tenant, id, number)
        labels = await self.label_moves(connection, tenant, id)
        old, now = labels.get(label), self._clock.wall()
        if old is not None and old.version == number:
            return old
        where = and_(_of(template_labels, tenant, id), template_labels.c.label == label)
        move = LabelMove(label, number, None if old is None else old.version)
        values = {"version": number, "previous": move.previous, "updated": now}
        if old is None:
            if len(labels) >= MAX_LABELS:
                raise TemplateQuotaExceeded("label", "labels of a template", MAX_LABELS)
            row = {"tenant": tenant, "template": id, "label": label, **values}
            await connection.execute(insert(template_labels).values(**row))
        else:
            await connection.execute(update(template_labels).where(where).values(**values))
        if version.activated is None:
            which = _is_version(tenant, id, number)
            await connection.execute(update(template_versions).where(which).values(activated=now))
        await self._touch(connection, tenant, id)
        return move

    async def label_moves(
        self, connection: AsyncConnection, tenant: str, id: str
    ) -> dict[str, LabelMove]:
        """Every label of the template, and what it pointed to before."""
        columns = (template_labels.c.label, template_labels.c.version, template_labels.c.previous)
        rows = await connection.execute(select(*columns).where(_of(template_labels, tenant, id)))
        return {row.label: LabelMove(*row) for row in rows}

    async def set_passed(
        self, connection: AsyncConnection, tenant: str, id: str, number: int, digest: str | None
    ) -> None:
        """The version has passed the examples that `digest` names (None: it has failed)."""
        which = _is_version(tenant, id, number)
        await connection.execute(update(template_versions).where(which).values(passed=digest))

    async def _touch(
        self, connection: AsyncConnection, tenant: str, id: str, **values: Any
    ) -> None:
        """Writes `values`, and that the template has changed."""
        where = _is(templates, tenant, id)
        changed = update(templates).where(where).values(updated=self._clock.wall(), **values)
        await connection.execute(changed)
        await self._tell(connection, tenant)

    async def _tell(self, connection: AsyncConnection, tenant: str) -> None:
        await record_change(connection, self._clock, "template", tenant)

    async def _labels(
        self, connection: AsyncConnection, tenant: str, ids: Sequence[str]
    ) -> Mapping[str, dict[str, int]]:
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        mine = and_(template_labels.c.tenant == tenant, template_labels.c.template.in_(ids))
        rows = select(template_labels).where(mine).order_by(template_labels.c.label)
        for row in await connection.execute(rows):
            found[row.template][row.label] = row.version
        return found

    async def _check_bytes(self, connection: AsyncConnection, tenant: str, param: str) -> None:
        """Raises TemplateQuotaExceeded."""
        total = 0
        for table in (templates, template_versions):
            size = func.coalesce(func.sum(table.c.size), 0)
            total += (
                await connection.execute(select(size).where(_tenant(table, tenant)))
            ).scalar_one()
        if total > self._limits.max_bytes:
            raise TemplateQuotaExceeded(
                param, "bytes of templates of a tenant", self._limits.max_bytes
            )

    def _version(self, row: Row[Any]) -> TemplateVersion:
        document = self._seal.document(row.tenant, row.content, row.template, str(row.number))
        return TemplateVersion(
            row.template,
            row.number,
            row.author,
            row.note,
            document,
            row.passed,
            row.created,
            row.activated,
        )


def _template(row: Row[Any]) -> Template:
    return Template(**row._mapping)


def _tenant(table: Table, tenant: str) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = table.c.tenant == tenant
    return mine


def _is(table: Table, tenant: str, id: str) -> ColumnElement[bool]:
    return and_(table.c.tenant == tenant, table.c.id == id)


def _of(table: Table, tenant: str, id: str) -> ColumnElement[bool]:
    return and_(table.c.tenant == tenant, table.c.template == id)


def _is_version(tenant: str, id: str, number: int) -> ColumnElement[bool]:
    return and_(_of(template_versions, tenant, id), template_versions.c.number == number)
