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
from dataclasses import dataclass

from cluster.runtime.problems import NotFound
from cluster.storage.database import Database
from cluster.templates.document import PRODUCTION, CompiledTemplate
from cluster.templates.model import no_template, no_version
from cluster.templates.repository import TemplateRepository

MAX_TEMPLATES = 10_000  # whose labels are held in memory, of all tenants
MAX_CHARACTERS = 2_000_000  # of the texts that are held compiled, which take at most 20 times that
_ID = re.compile(r"[a-z0-9_-]{1,64}")  # other text is no template's id


@dataclass(frozen=True, slots=True)
class _Labels:
    """Of a template at one generation of its tenant; None where there is no template."""

    generation: int
    versions: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class _HeldVersion:
    generation: int
    compiled: CompiledTemplate
    characters: int


class TemplateDirectory:
    """`generation_of` gives the number that changes with a tenant's templates."""

    def __init__(
        self,
        database: Database,
        repository: TemplateRepository,
        generation_of: Callable[[str], int],
        max_characters: int = MAX_CHARACTERS,
    ) -> None:
        self._database = database
        self._repository = repository
        self._generation_of = generation_of
        self._max_characters = max_characters
        self._labels: OrderedDict[tuple[str, str], _Labels] = OrderedDict()
        self._versions: OrderedDict[tuple[str, str, int], _HeldVersion] = OrderedDict()
        self._characters = 0

    @property
    def characters(self) -> int:
        """Of the texts that are held."""
        return self._characters

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
        generation = self._generation_of(tenant)  # before the reads, which may see a later one
        labels = await self._find_labels(tenant, id, generation) if _ID.fullmatch(id) else None
        if labels is None:
            raise no_template(id, f"{param}.id")
        number = labels.get(label or PRODUCTION) if version is None else version
        if number is None:
            raise _no_label(id, label, param)
        held = self._versions.get((tenant, id, number))
        if held is None or held.generation != generation:
            try:
                async with self._database.read() as connection:
                    stored = await self._repository.version(connection, tenant, id, number)
            except NotFound:
                raise no_version(id, number, f"{param}.version") from None
            compiled = await asyncio.to_thread(CompiledTemplate.of, stored.document)
            self._hold((tenant, id, number), generation, compiled)
            return number, compiled
        self._versions.move_to_end((tenant, id, number))
        return number, held.compiled

    async def _find_labels(self, tenant: str, id: str, generation: int) -> Mapping[str, int] | None:
        held = self._labels.get((tenant, id))
        if held is None or held.generation != generation:
            versions: Mapping[str, int] | None
            try:
                async with self._database.read() as connection:
                    versions = (await self._repository.get(connection, tenant, id)).labels
            except NotFound:
                versions = None
            held = self._labels[tenant, id] = _Labels(generation, versions)
            if len(self._labels) > MAX_TEMPLATES:
                self._labels.popitem(last=False)
        self._labels.move_to_end((tenant, id))
        return held.versions

    def _hold(self, key: tuple[str, str, int], generation: int, compiled: CompiledTemplate) -> None:
        """Holds the version, instead of those that were used least recently."""
        old = self._versions.pop(key, None)
        self._characters -= 0 if old is None else old.characters
        characters = sum(len(text) for _, text in compiled.document.sources())
        self._versions[key] = _HeldVersion(generation, compiled, characters)
        self._characters += characters
        while self._characters > self._max_characters:
            _, dropped = self._versions.popitem(last=False)
            self._characters -= dropped.characters


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
