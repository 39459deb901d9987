"""Wildcards: names with one `*`, each of which covers many names.

In: a pattern and its target. Out: what `*` stands for in a name, and the name that comes of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from deployments.ingress.names.spec import REST, WILDCARD


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`template` is what is before and behind the rest in its target; None: one fixed target."""

    pattern: str
    template: tuple[str, str] | None = None

    def rest(self, name: str) -> str:
        """What `*` stands for in `name`; empty: it does not match."""
        prefix, _, suffix = self.pattern.partition(WILDCARD)
        if len(name) <= len(prefix) + len(suffix) or not name.startswith(prefix):
            return ""
        return name[len(prefix) : len(name) - len(suffix)] if name.endswith(suffix) else ""

    def names(self, made: Iterable[str]) -> Iterable[tuple[str, str]]:
        """The names for which some of `made` come of the template, each with that."""
        if self.template is not None:
            produced = Wildcard(WILDCARD.join(self.template))
            for each in made:
                rest = produced.rest(each)
                if rest:
                    yield self.pattern.replace(WILDCARD, rest), each


def wildcard(pattern: str, target: object) -> Wildcard:
    """The wildcard of an entry of `names.aliases`."""
    if not isinstance(target, str) or REST not in target:
        return Wildcard(pattern)
    before, _, behind = target.partition(REST)
    return Wildcard(pattern, (before, behind))


def most_specific_first(wildcards: Iterable[Wildcard]) -> tuple[Wildcard, ...]:
    """Those with the longest text beside `*` first; of equal ones, with more of it before `*`."""
    return tuple(
        sorted(wildcards, key=lambda each: (-len(each.pattern), -each.pattern.index(WILDCARD)))
    )
