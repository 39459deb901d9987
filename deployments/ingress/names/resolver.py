"""Names to models: compiled once from the configuration, then asked by requests.

Flows in: a name, a request's facts, and which models its caller may use. Flows out: the model that
answers, or None. A model's id always means that model; then come aliases and served names, then the
most specific wildcard, then models that are found at run time.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deployments.ingress.names.choices import Allowed, ModelChoice, OneModel
from deployments.ingress.names.compiler import MAX_LINKS, NameCompiler
from deployments.ingress.names.conditions import RequestFacts
from deployments.ingress.names.spec import NameSettings


@dataclass(frozen=True, slots=True)
class Resolution:
    """The model that answers. `alias` is the name that led to it (empty: its own id). It `varies`
    where the same name may lead elsewhere at another time, or for another request.
    """

    model: str
    alias: str = ""
    varies: bool = False


class NameResolver:
    """`aliases` are the aliases and served names, with what they stand for. `listed` are these and
    the names that wildcards give to models.
    """

    def __init__(self, settings: NameSettings, ids: Collection[str]) -> None:
        """`ids` are those of all models. Raises ValueError, which names the field, for names that
        lead in a circle, to nothing, or over more than MAX_LINKS names, and for ambiguous ones.
        """
        self._ids = frozenset(ids)
        self._compiled = compiled = NameCompiler(settings, ids)
        patterns = {each.pattern for each in compiled.wildcards}
        self.aliases: Mapping[str, ModelChoice] = {
            name: choice for name, choice in compiled.choices.items() if name not in patterns
        }
        self.listed: Mapping[str, ModelChoice] = {**self.aliases, **compiled.expanded()}
        for field in ("default", "default_embedding"):
            name = getattr(settings.spec, field)
            if name is not None:
                self.choice(name, f"names.{field}")

    def resolve(self, name: str, facts: RequestFacts, allowed: Allowed) -> Resolution | None:
        """The model that answers a request for `name`, one that is allowed. None: there is none."""
        if name in self._ids:
            return Resolution(name) if allowed(name) else None
        choice = self._alias(name)
        if choice is not None:
            model = choice.choose(facts, allowed)
            if model is not None:
                return Resolution(model, name, choice.varies)
        return Resolution(name) if allowed(name) else None

    def find(self, name: str) -> ModelChoice | None:
        """What a name stands for: a model's id, an alias, or what a wildcard covers."""
        return OneModel(name) if name in self._ids else self._alias(name)

    def choice(self, target: str, field: str) -> ModelChoice:
        """What a name or a model's id stands for. Raises ValueError, which names `field`."""
        return self._compiled.choice(target, field)

    def _alias(self, name: str) -> ModelChoice | None:
        return self.aliases.get(name) or self._covered(name)

    def _covered(self, name: str) -> ModelChoice | None:
        """A wildcard's rest makes the name of a model, perhaps one that is found at run time, or of
        an alias, and of no other wildcard."""
        wildcard, rest = self._compiled.covering(name)
        if wildcard is None:
            return None
        if wildcard.template is None:
            return self._compiled.choices[wildcard.pattern]
        made = rest.join(wildcard.template)
        if made not in self.aliases:
            return OneModel(made)
        return self.aliases[made] if self._compiled.links[made] < MAX_LINKS else None
