"""Administration of prompt templates: versions, labels, examples; every change is audited."""

import asyncio
from collections.abc import Sequence

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import Change, UnitOfWork
from cluster.runtime.problems import Conflict, NotFound
from cluster.storage.pagination import Page
from cluster.templates.diff import VersionDiff, compare
from cluster.templates.document import PRODUCTION, CompiledTemplate, TemplateDocument
from cluster.templates.examples import TemplateExample, digest_of
from cluster.templates.model import (
    LabelMove,
    Template,
    TemplateLimits,
    TemplateNotTested,
    TemplateVersion,
)
from cluster.templates.repository import TemplateRepository


class TemplateService:
    """Lists, reads, makes, compares, activates, rolls back and deletes templates and versions.

    Methods raise NotFound for what is not the tenant's, InvalidRequest for a text that is no
    template, TemplateQuotaExceeded, and DatabaseUnavailable.
    """

    def __init__(self, unit_of_work: UnitOfWork, limits: TemplateLimits | None = None) -> None:
        secret_of, clock = unit_of_work.directory.secret_of, unit_of_work.clock
        self._unit_of_work = unit_of_work
        self._templates = TemplateRepository(secret_of, clock, limits)

    async def list(self, tenant: str, limit: int, after: str | None) -> Page[Template]:
        async with self._unit_of_work.database.read() as connection:
            return await self._templates.list(connection, tenant, limit, after)

    async def get(self, tenant: str, id: str) -> tuple[Template, tuple[TemplateExample, ...]]:
        """The template and its examples."""
        async with self._unit_of_work.database.read() as connection:
            template = await self._templates.get(connection, tenant, id)
            return template, await self._templates.examples(connection, tenant, id)

    async def versions(
        self, tenant: str, id: str, limit: int, before: int | None
    ) -> Page[TemplateVersion]:
        """Newest first."""
        async with self._unit_of_work.database.read() as connection:
            return await self._templates.versions(connection, tenant, id, limit, before)

    async def version(self, tenant: str, id: str, number: int) -> TemplateVersion:
        async with self._unit_of_work.database.read() as connection:
            return await self._templates.version(connection, tenant, id, number)

    async def resolve(
        self, tenant: str, id: str, number: int | None, label: str | None
    ) -> TemplateVersion:
        """The version of that number, or that the label (default: production) points to."""
        async with self._unit_of_work.database.read() as connection:
            if number is None:
                labels = (await self._templates.get(connection, tenant, id)).labels
                number = labels.get(label or PRODUCTION)
                if number is None:
                    raise NotFound(
                        f"label: '{label or PRODUCTION}' of template '{id}' points to no version.",
                        param="label",
                    )
            return await self._templates.version(connection, tenant, id, number)

    async def diff(self, tenant: str, id: str, before: int, after: int) -> VersionDiff:
        old = await self.version(tenant, id, before)
        new = await self.version(tenant, id, after)
        return await asyncio.to_thread(
            compare, old.document, new.document, f"{id}@{before}", f"{id}@{after}"
        )

    async def create(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        document: TemplateDocument | None = None,
        *,
        description: str = "",
        note: str = "",
        require_tests: bool = False,
        examples: Sequence[TemplateExample] = (),
    ) -> Template:
        """With a document, its version 1 is made with it, as a draft. Raises Conflict (id)."""
        await _check(document)
        async with self._unit_of_work.change(
            actor, tenant, "template.create", f"template:{id}"
        ) as change:
            await change.lock_tenant()
            template = await self._templates.create(
                change.connection, tenant, id, description, require_tests, examples
            )
            if document is not None:
                await self._add_version(change, id, document, note)
                template = await self._templates.get(change.connection, tenant, id)
        return template

    async def update(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        *,
        description: str | None = None,
        require_tests: bool | None = None,
        examples: Sequence[TemplateExample] | None = None,
    ) -> Template:
        """Changes the fields that are not None."""
        async with self._unit_of_work.change(
            actor, tenant, "template.update", f"template:{id}"
        ) as change:
            await change.lock_tenant()
            change.record_changed(
                description=description, require_tests=require_tests, examples=examples
            )
            return await self._templates.update(
                change.connection,
                tenant,
                id,
                description=description,
                require_tests=require_tests,
                examples=examples,
            )

    async def delete(self, actor: Actor, tenant: str, id: str) -> None:
        async with self._unit_of_work.change(
            actor, tenant, "template.delete", f"template:{id}"
        ) as change:
            await self._templates.delete(change.connection, tenant, id)

    async def create_version(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        document: TemplateDocument,
        *,
        note: str = "",
        base: int | None = None,
    ) -> TemplateVersion:
        """A draft. With `base`, only if that is the last version: raises Conflict otherwise."""
        await _check(document)
        async with self._unit_of_work.change(
            actor, tenant, "template.version.create", f"template:{id}"
        ) as change:
            await change.lock_tenant()
            if base is not None:
                latest = (await self._templates.get(change.connection, tenant, id)).latest
                if latest != base:
                    raise Conflict(
                        f"base: the last version of '{id}' is {latest}, not {base}.", param="base"
                    )
            return await self._add_version(change, id, document, note)

    async def delete_version(self, actor: Actor, tenant: str, id: str, number: int) -> None:
        """Raises Conflict while a label points to it."""
        async with self._unit_of_work.change(
            actor, tenant, "template.version.delete", f"template:{id}@{number}"
        ) as change:
            await change.lock_tenant()
            await self._templates.delete_version(change.connection, tenant, id, number)

    async def activate(
        self, actor: Actor, tenant: str, id: str, number: int, label: str = PRODUCTION
    ) -> LabelMove:
        """Lets the label point to the version.

        Raises TemplateNotTested where the template requires tests, and the version has not passed
        the examples as they are now.
        """
        async with self._unit_of_work.change(
            actor, tenant, "template.activate", f"template:{id}@{number}"
        ) as change:
            await change.lock_tenant()
            await self._check_tested(change, id, number)
            return await self._move(change, id, label, number)

    async def rollback(
        self,
        actor: Actor,
        tenant: str,
        id: str,
        number: int | None = None,
        label: str = PRODUCTION,
    ) -> LabelMove:
        """Lets the label point to a version that was active before: to `number`, or to the one that
        it pointed to last. Tests are not asked for again. Raises Conflict where there is none.
        """
        async with self._unit_of_work.change(
            actor, tenant, "template.rollback", f"template:{id}"
        ) as change:
            await change.lock_tenant()
            connection = change.connection
            await self._templates.get(connection, tenant, id)
            moves = await self._templates.label_moves(connection, tenant, id)
            move = moves.get(label)
            target = number if number is not None or move is None else move.previous
            if target is None:
                raise Conflict(
                    f"label: '{label}' of '{id}' has pointed to no other version.", param="label"
                )
            version = await self._templates.version(connection, tenant, id, target)
            if version.activated is None:
                raise Conflict(
                    f"version: {target} was never active; activate it instead.", param="version"
                )
            change.resource = f"template:{id}@{target}"
            return await self._move(change, id, label, target)

    async def record_test(
        self, actor: Actor, tenant: str, id: str, number: int, digest: str | None, passed: int
    ) -> None:
        """The version has passed all the examples that `digest` names (None: not all of them)."""
        async with self._unit_of_work.change(
            actor, tenant, "template.test", f"template:{id}@{number}"
        ) as change:
            change.detail |= {"passed": passed, "all": digest is not None}
            await self._templates.set_passed(change.connection, tenant, id, number, digest)

    async def _add_version(
        self, change: Change, id: str, document: TemplateDocument, note: str
    ) -> TemplateVersion:
        author = change.actor.name
        version = await self._templates.add_version(
            change.connection, change.tenant, id, author, note, document
        )
        change.resource = f"template:{id}@{version.number}"
        return version

    async def _move(self, change: Change, id: str, label: str, number: int) -> LabelMove:
        move = await self._templates.move_label(change.connection, change.tenant, id, label, number)
        change.detail |= {"label": label, "before": move.previous or 0}
        return move

    async def _check_tested(self, change: Change, id: str, number: int) -> None:
        """Raises TemplateNotTested."""
        connection, tenant = change.connection, change.tenant
        if not (await self._templates.get(connection, tenant, id)).require_tests:
            return
        version = await self._templates.version(connection, tenant, id, number)
        examples = await self._templates.examples(connection, tenant, id)
        if not examples:
            raise TemplateNotTested(id, number, "has no examples to pass")
        if version.passed != digest_of(examples):
            raise TemplateNotTested(id, number, "has not passed the examples as they are now")


async def _check(document: TemplateDocument | None) -> None:
    if document is not None:
        await asyncio.to_thread(CompiledTemplate.of, document)
