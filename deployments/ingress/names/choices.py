"""Choices: what a name stands for, as a tree whose leaves are models.

In: a request's facts, and which models its caller may use. Out: one of these, or None. The same
request always gets the same one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, log
from typing import Protocol

from deployments.ingress.names.conditions import Condition, RequestFacts

Allowed = Callable[[str], bool]


class ModelChoice(Protocol):
    """`models` are all that may come of it; it `varies` where requests decide or time does."""

    @property
    def models(self) -> tuple[str, ...]: ...

    @property
    def varies(self) -> bool: ...

    def choose(self, facts: RequestFacts, allowed: Allowed) -> str | None:
        """A model that is allowed; None: there is none."""
        ...

    def is_open(self, allowed: Allowed) -> bool:
        """Whether every request of such a caller gets a model."""
        ...


@dataclass(frozen=True, slots=True)
class OneModel:
    """A ModelChoice without a choice."""

    model: str
    varies: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def choose(self, facts: RequestFacts, allowed: Allowed) -> str | None:
        return self.model if allowed(self.model) else None

    def is_open(self, allowed: Allowed) -> bool:
        return allowed(self.model)


@dataclass(frozen=True, slots=True)
class WeightedChoice:
    """A ModelChoice by weights: weighted rendezvous hashing (Schindelhauer and Schomaker, 2005).

    Each option draws an exponentially distributed number from a hash of `name`, itself and the
    request's key, with its weight as the rate; the least wins. So an option's share is its weight
    among those that are allowed, and a change of one weight moves no request between the others.
    """

    name: str
    options: tuple[tuple[str, int, ModelChoice], ...]  # target, weight, what it stands for
    is_sticky: bool = False
    varies: bool = True

    @property
    def models(self) -> tuple[str, ...]:
        return _distinct([option for _, _, option in self.options])

    def choose(self, facts: RequestFacts, allowed: Allowed) -> str | None:
        key = facts.request_id
        if self.is_sticky and facts.affinity:
            key = f"{facts.tenant}\0{facts.affinity}"
        least, chosen = inf, None
        for target, weight, option in self.options:
            drawn = -log(_uniform(f"{self.name}\0{target}\0{key}")) / weight
            if drawn < least and (model := option.choose(facts, allowed)) is not None:
                least, chosen = drawn, model
        return chosen

    def is_open(self, allowed: Allowed) -> bool:
        return any(option.is_open(allowed) for _, _, option in self.options)


@dataclass(frozen=True, slots=True)
class RoutedChoice:
    """A ModelChoice by rules: the first whose conditions are met and which has a model."""

    rules: tuple[tuple[tuple[Condition, ...], ModelChoice], ...]
    otherwise: ModelChoice
    varies: bool = True

    @property
    def models(self) -> tuple[str, ...]:
        return _distinct([*(choice for _, choice in self.rules), self.otherwise])

    def choose(self, facts: RequestFacts, allowed: Allowed) -> str | None:
        for conditions, choice in self.rules:
            if all(condition(facts) for condition in conditions):
                model = choice.choose(facts, allowed)
                if model is not None:
                    return model
        return self.otherwise.choose(facts, allowed)

    def is_open(self, allowed: Allowed) -> bool:
        return self.otherwise.is_open(allowed)


def _distinct(choices: Sequence[ModelChoice]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model for choice in choices for model in choice.models))


def _uniform(text: str) -> float:
    """A number between 0 and 1, neither of them, by a hash of the text."""
    word = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
    return ((word >> 12) + 0.5) / (1 << 52)
