"""Checks the names of a configuration, and makes each of them ready to choose models.

In: what the configuration says, and the ids of all models. Out: what each name stands for. Names
that lead in a circle, to nothing, or over more than MAX_LINKS others are refused here.
"""

from collections.abc import Collection, Iterable

from deployments.ingress.names.choices import (
    ModelChoice,
    OneModel,
    RoutedChoice,
    WeightedChoice,
)
from deployments.ingress.names.conditions import conditions_of
from deployments.ingress.names.spec import (
    DEFAULT,
    WILDCARD,
    NameSettings,
    RoutedTargets,
    WeightedTargets,
)
from deployments.ingress.names.wildcards import Wildcard, most_specific_first, wildcard

MAX_LINKS = 4  # from a name to its model
MAX_NAME = 100  # characters

_AliasTarget = str | WeightedTargets | RoutedTargets
_Compiled = tuple[ModelChoice, int]  # with the links to the farthest model


class NameCompiler:
    """`choices` are by name, those of wildcards with a fixed target by pattern; `links` likewise.

    `wildcards` are in the order in which they are tried.
    """

    def __init__(self, settings: NameSettings, ids: Collection[str]) -> None:
        """Raises ValueError, which names the field."""
        self.choices: dict[str, ModelChoice] = {}
        self.links: dict[str, int] = {}
        self._ids = frozenset(ids)
        self._discovered = settings.discovered
        self._targets: dict[str, tuple[str, _AliasTarget]] = {}  # with the field
        aliases = settings.spec.aliases
        self.wildcards = most_specific_first(
            wildcard(name, target) for name, target in aliases.items() if WILDCARD in name
        )
        for model, names in settings.served_names.items():
            for name in names:
                self._add(name, f"served_names of '{model}'", model)
        templates = {each.pattern for each in self.wildcards if each.template is not None}
        for name, target in aliases.items():
            if name not in templates:
                self._add(name, f"names.aliases.{name}", target)
        for name, (field, _) in self._targets.items():
            self._compile(name, field, ())
        for each in self.wildcards:
            self._check_template(each)

    def choice(self, target: str, field: str) -> ModelChoice:
        """What a name stands for. Raises ValueError, which names `field`, if that is nothing."""
        return self._target(target, field, ())[0]

    def expanded(self) -> dict[str, ModelChoice]:
        """The names that wildcards with a rest give to models."""
        found: dict[str, ModelChoice] = {}
        for each in self.wildcards:
            for name, model in each.names(sorted(self._ids)):
                is_first = self.covering(name)[0] is each
                if is_first and len(name) <= MAX_NAME and not self._is_taken(name):
                    found[name] = OneModel(model)
        return found

    def covering(self, name: str) -> tuple[Wildcard | None, str]:
        """The most specific wildcard that covers a name, and what its `*` stands for."""
        for each in self.wildcards:
            if rest := each.rest(name):
                return each, rest
        return None, ""

    def _is_taken(self, name: str) -> bool:
        return name in self._ids or name in self._targets or name == DEFAULT

    def _add(self, name: str, field: str, target: _AliasTarget) -> None:
        if name in self._ids:
            raise ValueError(f"{field}: '{name}' is the id of a model, which it would always mean")
        if name == DEFAULT:
            raise ValueError(
                f"{field}: '{name}' means names.default, or names.default_embedding; set these"
            )
        if name in self._targets:
            raise ValueError(f"{field}: '{name}' is in {self._targets[name][0]} too")
        self._targets[name] = field, target

    def _compile(self, name: str, field: str, path: tuple[str, ...]) -> _Compiled:
        """What an alias stands for; `path` are the aliases that have led to it from `field`."""
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise ValueError(f"{field}: leads in a circle: {circle}")
        if name not in self.choices:
            own_field, target = self._targets[name]
            choice, links = self._alias(name, target, own_field, (*path, name))
            links += 1
            if links > MAX_LINKS:
                raise ValueError(
                    f"{own_field}: leads to a model over {links} names; at most {MAX_LINKS} may"
                )
            self.choices[name], self.links[name] = choice, links
        return self.choices[name], self.links[name]

    def _alias(
        self, salt: str, target: _AliasTarget, field: str, path: tuple[str, ...]
    ) -> _Compiled:
        """`salt` makes weights of one name divide requests in another way than those of others."""
        if isinstance(target, str):
            return self._target(target, field, path)
        if isinstance(target, WeightedTargets):
            weighted = [
                (name, weight, self._target(name, f"{field}.weights", path))
                for name, weight in target.weights.items()
            ]
            options = [(name, weight, found[0]) for name, weight, found in weighted if weight]
            choice = WeightedChoice(salt, tuple(options), target.sticky == "user")
            return choice, _most(found for _, _, found in weighted)
        ruled = [
            (conditions_of(rule), self._alias(f"{salt}#{at}", rule.to, f"{field}.rules.{at}", path))
            for at, rule in enumerate(target.rules)
        ]
        last = self._alias(f"{salt}#", target.otherwise, f"{field}.otherwise", path)
        rules = tuple((conditions, found[0]) for conditions, found in ruled)
        return RoutedChoice(rules, last[0]), _most((*(found for _, found in ruled), last))

    def _target(self, name: str, field: str, path: tuple[str, ...]) -> _Compiled:
        if name in self._ids:
            return OneModel(name), 0
        if name in self._targets:
            return self._compile(name, field, path)
        covered = self._covered(name, field, path)
        if covered is not None:
            return covered
        if self._is_discovered(name):
            return OneModel(name), 0
        known = ", ".join(sorted(self._ids))
        raise ValueError(f"{field}: '{name}' is neither a model nor an alias; models: {known}")

    def _covered(self, name: str, field: str, path: tuple[str, ...]) -> _Compiled | None:
        """What a wildcard makes of a name; None: nothing."""
        covering, rest = self.covering(name)
        if covering is None:
            return None
        if covering.template is None:
            return self._compile(covering.pattern, field, path)
        made = rest.join(covering.template)
        if made in self._ids:
            return OneModel(made), 1
        if made in self._targets:
            choice, links = self._compile(made, field, path)
            return choice, links + 1
        return (OneModel(made), 1) if self._is_discovered(made) else None

    def _is_discovered(self, name: str) -> bool:
        return bool(self._discovered) and name.startswith(self._discovered)

    def _check_template(self, each: Wildcard) -> None:
        """Raises ValueError where nothing can come of a wildcard's target."""
        if each.template is None or any(each.names((*self._ids, *self._targets))):
            return
        before, behind = each.template
        if not any(before.startswith(word) or word.startswith(before) for word in self._discovered):
            raise ValueError(
                f"names.aliases.{each.pattern}: no model or alias is called '{before}*{behind}'"
            )


def _most(compiled: Iterable[_Compiled]) -> int:
    return max(links for _, links in compiled)
