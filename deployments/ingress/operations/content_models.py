"""Which model writes captions and posts.

In: the name in a brief: a content provider's, or any by which models answer. Out: a text model's
id. Where a brief names none, the tenant's default model writes, else the default provider.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from deployments.content.registry import ProviderRegistry
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import TextFacts
from deployments.ingress.names.spec import DEFAULT, Modality
from deployments.ingress.schemas.content import BriefBody, CaptionItem, PostItem

Item = CaptionItem | PostItem
ItemT = TypeVar("ItemT", bound=BriefBody)
_PICTURED: frozenset[Modality] = frozenset(("image",))


class ContentModels:
    """Names of `providers` go before those of models' aliases."""

    def __init__(self, providers: ProviderRegistry, models: ModelRegistry) -> None:
        self.providers = providers
        self._models = models

    def with_defaults(self, request: AdmittedRequest, item: ItemT) -> ItemT:
        """The style, language and platform of the tenant's settings where `item` names none."""
        settings = self._models.names.settings_of(request.caller.tenant)
        defaults = {
            "style": settings.default_style,
            "language": settings.default_language,
            "platform": settings.default_platform,
        }
        given = item.model_fields_set
        update = {
            field: value
            for field, value in defaults.items()
            if value is not None and field not in given
        }
        return item.model_copy(update=update) if update else item

    def resolve(
        self, request: AdmittedRequest, item: CaptionItem | PostItem, part: str = ""
    ) -> str:
        """`part` names the item among others of a request. Raises UnknownModel."""
        draft = item.draft if isinstance(item, PostItem) else None
        texts = (item.topic or "", draft or "")
        return self.resolve_name(request, item.model, texts, part, has_images=bool(item.images))

    def resolve_name(
        self,
        request: AdmittedRequest,
        name: str | None,
        texts: Sequence[str],
        part: str = "",
        *,
        has_images: bool = False,
    ) -> str:
        """The same for a name and the texts that the model is to read."""
        names = self._models.names
        found = self.providers.find(name) if name else None
        if found is not None:
            return found
        if not name or name == DEFAULT:
            name = DEFAULT
            if names.tenants_default(request.caller.tenant) is None:
                return self.providers.resolve(None)
        facts = TextFacts(request, request.caller, texts, part=part)
        if has_images:
            facts = replace(facts, modalities=_PICTURED)
        return names.resolve(name, facts, request, self._models.text_models)
