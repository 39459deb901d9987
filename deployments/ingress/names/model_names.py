"""Which model answers a request that asks for something else than a model's id.

Flows in: the name of an admitted request, and the models that its operation may call. Flows out:
the id of one that the caller may use; the request remembers it for its response. A plan grants
models by their ids, never by a name: what leads to others only does not exist for the caller.
"""

from collections.abc import Callable, Collection
from typing import Literal

from cluster.runtime.problems import InvalidRequest, UnknownModel
from cluster.tenants.settings import NO_SETTINGS, TenantSettings
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.names.choices import Allowed, ModelChoice
from deployments.ingress.names.conditions import RequestFacts
from deployments.ingress.names.resolver import NameResolver, Resolution
from deployments.ingress.names.spec import DEFAULT, NameSettings, NamesSpec

DefaultOf = Literal["default_model", "default_embedding_model"]

_UNNAMED = frozenset(("", DEFAULT))


class ModelNames:
    """Resolves names for every operation."""

    def __init__(
        self,
        settings: NameSettings | None = None,
        ids: Collection[str] = (),
        settings_of: Callable[[str], TenantSettings] = lambda _: NO_SETTINGS,
    ) -> None:
        """`ids` are those of all models, `settings_of` gives a tenant's settings. Raises ValueError
        for names that the configuration may not have (compiler.py)."""
        given = settings or NameSettings()
        self._spec: NamesSpec = given.spec
        self._resolver = NameResolver(given, ids)
        self._settings_of = settings_of

    def resolve(
        self,
        name: str,
        facts: RequestFacts,
        admitted: AdmittedRequest,
        known: Collection[str],
        default: DefaultOf = "default_model",
        free: Collection[str] = (),
    ) -> str:
        """The model among `known` that answers. `default` is the setting that says who does where
        `name` is empty or DEFAULT; those that are `free` need no grant. Raises UnknownModel, or
        InvalidRequest if nobody does.
        """
        allows = model_grants(admitted)

        def allowed(model: str) -> bool:
            return model in known and (model in free or allows(model))

        named = self.apply_default(name, facts.tenant, default)
        found = self._resolver.resolve(named, facts, allowed)
        if found is None:
            raise UnknownModel(named, tuple(filter(allowed, known)))
        if found.model != name:
            _remember(admitted, found, is_default=named != name)
        return found.model

    def apply_default(self, name: str, tenant: str, default: DefaultOf = "default_model") -> str:
        """`name`, or what the tenant's settings or the operator's say where it is empty or DEFAULT.
        Raises InvalidRequest if they say nothing."""
        if name not in _UNNAMED:
            return name
        spec = self._spec
        operators = spec.default if default == "default_model" else spec.default_embedding
        named = self.tenants_default(tenant, default) or operators
        if named is None:
            raise InvalidRequest(
                f"Name a model: neither this tenant nor the operator has set a {default}.",
                param="model",
            )
        return named

    def tenants_default(self, tenant: str, default: DefaultOf = "default_model") -> str | None:
        """What the tenant's own settings say."""
        setting: str | None = getattr(self._settings_of(tenant), default)
        return setting

    def settings_of(self, tenant: str) -> TenantSettings:
        """What the tenant has set for itself."""
        return self._settings_of(tenant)

    def find(self, name: str) -> ModelChoice | None:
        """What a name or a model's id stands for."""
        return self._resolver.find(name)

    def listed(self, allows: Allowed) -> dict[str, tuple[str, ...]]:
        """The names by which such a caller always gets a model, with the models it may get."""
        return {
            name: tuple(filter(allows, choice.models))
            for name, choice in self._resolver.listed.items()
            if choice.is_open(allows)
        }


def model_grants(admitted: AdmittedRequest) -> Callable[[str], bool]:
    """Says which models a request may use, by their ids."""
    return admitted.allows_model


def names_by_model(names: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The names that stand for each model alone."""
    found: dict[str, list[str]] = {}
    for name, models in names.items():
        if len(models) == 1:
            found.setdefault(models[0], []).append(name)
    return found


def _remember(admitted: AdmittedRequest, found: Resolution, *, is_default: bool) -> None:
    """For the header of the response, and for what may not answer other requests like it."""
    admitted.resolved_models = tuple(dict.fromkeys((*admitted.resolved_models, found.model)))
    admitted.varies |= found.varies or is_default
