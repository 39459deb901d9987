"""Templates in the memory of one replica, compiled: what a request's template renders to.

In: a tenant, a template's id, and a version or a label. Out: the compiled version. What is held of
a template counts until the tenant's generation changes, which the credential directory learns with
every other change: a moved label or a deleted template takes effect on all replicas within a
second. While the store is down, what is held goes on; another template is DatabaseUnavailable.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cluster.runtime.problems import NotFound
from cluster.storage.database import Database
from cluster.templates.document import PRODUCTION, CompiledTemplate
from cluster.templates.model import no_template, no_version
from cluster.templates.repository import TemplateRepository

MAX_TEMPLATES = 1_000  # held in memory, of all tenants
MAX_HELD_VERSIONS = 8  # of each


@dataclass(slots=True)
class _Held:
    """A template at one generation; `labels` is None where there is none."""

    generation: int
    labels: Mapping[str, int] | None
    versions: OrderedDict[int, CompiledTemplate] = field(default_factory=OrderedDict)


_ID = re.compile(r"[a-z0-9_-]{1,64}")  # other text is no template's id
_NONE = _Held(0, None)


class TemplateDirectory:
    """`generation_of` gives the number that changes with a tenant's templates."""

    def __init__(
        self,
        database: Database,
        repository: TemplateRepository,
        generation_of: Callable[[str], int],
    ) -> None:
        self._database = database
        self._repository = repository
        self._generation_of = generation_of
        self._held: OrderedDict[tuple[str, str], _Held] = OrderedDict()

    async def find(
        self,
        tenant: str,
        id: str,
        version: int | None = None,
        label: str | None = None,
        param: str = "template",
    ) -> tuple[int, CompiledTemplate]:
        """The version that is named, or that the label points to (default: the active one), and its
        number. Raises NotFound naming a field of `param`, DatabaseUnavailable.
        """
        held = await self._template(tenant, id) if _ID.fullmatch(id) else _NONE
        if held.labels is None:
            raise no_template(id, f"{param}.id")
        number = version
        if number is None:
            number = held.labels.get(label or PRODUCTION)
            if number is None:
                raise _no_label(id, label, param)
        compiled = held.versions.get(number)
        if compiled is None:
            compiled = await self._compiled(tenant, id, number, param)
            held.versions[number] = compiled
            if len(held.versions) > MAX_HELD_VERSIONS:
                held.versions.popitem(last=False)
        return number, compiled

    async def _template(self, tenant: str, id: str) -> _Held:
        generation = self._generation_of(tenant)  # before the read, which may see a later one
        held = self._held.get((tenant, id))
        if held is None or held.generation != generation:
            labels: Mapping[str, int] | None
            try:
                async with self._database.read() as connection:
                    labels = (await self._repository.get(connection, tenant, id)).labels
            except NotFound:
                labels = None
            held = self._held[tenant, id] = _Held(generation, labels)
            if len(self._held) > MAX_TEMPLATES:
                self._held.popitem(last=False)
        self._held.move_to_end((tenant, id))
        return held

    async def _compiled(self, tenant: str, id: str, number: int, param: str) -> CompiledTemplate:
        try:
            async with self._database.read() as connection:
                stored = await self._repository.version(connection, tenant, id, number)
        except NotFound:
            raise no_version(id, number, f"{param}.version") from None
        return await asyncio.to_thread(CompiledTemplate.of, stored.document)


def _no_label(id: str, label: str | None, param: str) -> NotFound:
    if label is None:
        return NotFound(
            f"{param}.version: template '{id[:64]}' has no active version; activate one, or name a "
            "version.",
            param=f"{param}.version",
        )
    return NotFound(
        f"{param}.label: template '{id[:64]}' has no label '{label[:32]}'.", param=f"{param}.label"
    )
