"""Names of models in the configuration: checked against its models, and as the ingress gets them.

In: the section `names`, and the models with their `served_names`. Out: NameSettings, or ValueError
with the field.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from deployments.contracts.moderation import RULES
from deployments.ingress.names.resolver import NameResolver
from deployments.ingress.names.spec import NameSettings, NamesSpec


class NamedModel(Protocol):
    """A model of the configuration."""

    @property
    def id(self) -> str: ...

    @property
    def served_names(self) -> tuple[str, ...]: ...


def name_settings(
    names: NamesSpec, models: Iterable[NamedModel], discovered: Sequence[str] = ()
) -> NameSettings:
    """What every ingress replica is given. What begins with one of `discovered` may be the id of a
    model that is found at run time."""
    served = {model.id: tuple(model.served_names) for model in models if model.served_names}
    return NameSettings(names, served, tuple(discovered))


def check_names(
    names: NamesSpec,
    kinds: Mapping[str, Sequence[NamedModel]],
    content_providers: Iterable[str],
    discovered: Sequence[str] = (),
) -> None:
    """`kinds` are the models by the field in which they are configured. Raises ValueError for names
    that are ambiguous, lead nowhere, in circles, or to models of different kinds.
    """
    models = [model for each in kinds.values() for model in each]
    settings = name_settings(names, models, discovered)
    resolver = NameResolver(settings, (RULES, *(model.id for model in models)))
    kind_of = {model.id: kind for kind, each in kinds.items() for model in each}
    kind_of[RULES] = "moderation.models"
    for name in resolver.aliases:
        reached = {kind_of[id] for id in resolver.aliases[name].models if id in kind_of}
        if len(reached) > 1:
            raise ValueError(
                f"names.aliases.{name}: leads to models of different kinds: "
                f"{', '.join(sorted(reached))}"
            )
    taken = sorted(resolver.aliases.keys() & set(content_providers))
    if taken:
        raise ValueError(f"names.aliases.{taken[0]}: is one of content.providers too")
    for field, kind in (("default", "models"), ("default_embedding", "embeddings")):
        target = getattr(names, field)
        if target is None:
            continue
        others = {kind_of.get(id, kind) for id in resolver.choice(target, "").models} - {kind}
        if others:
            raise ValueError(f"names.{field}: '{target}' leads to a model of {min(others)}")
