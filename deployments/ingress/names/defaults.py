"""Default models, style and platform of a tenant, checked when they are set.

In: the settings that are to change. Out: nothing, or InvalidRequest with the field.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from cluster.runtime.problems import InvalidRequest
from deployments.content.platforms import platforms
from deployments.content.styles import styles
from deployments.ingress.model_registry import ModelRegistry


def check_default_words(settings: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a style or a platform that there is not."""
    for field, known in (("default_style", styles()), ("default_platform", platforms())):
        names = [each.name for each in known]
        name = settings.get(field)
        if name is not None and name not in names:
            raise InvalidRequest(
                f"{field}: there is no '{name}'; there are {', '.join(names)}.", param=field
            )


def check_default_models(
    models: ModelRegistry, allows: Callable[[str], bool], settings: Mapping[str, str | None]
) -> None:
    """Raises InvalidRequest for a name by which the tenant gets no model of the kind."""
    kinds: tuple[tuple[str, Collection[str]], ...] = (
        ("default_model", models.text_models),
        ("default_embedding_model", models.embedder_ids),
    )
    for field, known in kinds:
        name = settings.get(field)
        if name is None or (name in known and allows(name)):
            continue
        choice = models.names.find(name)
        targets = () if choice is None else choice.models
        if not any(id in known and allows(id) for id in targets):
            usable = ", ".join(filter(allows, known)) or "none"
            raise InvalidRequest(
                f"{field}: '{name}' leads to no model that this tenant may use; models: {usable}.",
                param=field,
            )
