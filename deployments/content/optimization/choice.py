"""The choice among texts: nothing that harms an asked goal, nothing that another one beats.

In: the scores of a draft and of candidates. Out: the candidates to offer, best first (Pareto's
front by goals, ordered by the mean gain).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.content.optimization.search import LEAST_GAIN, EditedText

TOLERANCE = 0.02  # by which one goal may fall for the sake of others


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A candidate, and its value by goal."""

    candidate: EditedText
    values: Mapping[str, float]


def choose(
    before: Mapping[str, float], candidates: Sequence[ScoredText], variants: int
) -> list[ScoredText]:
    """At most `variants`, none of them twice; empty where nothing helps."""
    helpful = {
        scored.candidate.text: scored
        for scored in reversed(candidates)
        if harm(before, scored.values) <= TOLERANCE and gain(before, scored.values) >= LEAST_GAIN
    }
    front = [
        scored
        for scored in helpful.values()
        if not any(_dominates(other.values, scored.values) for other in helpful.values())
    ]
    front.sort(key=lambda scored: (-gain(before, scored.values), scored.candidate.text))
    return front[:variants]


def gain(before: Mapping[str, float], values: Mapping[str, float]) -> float:
    """Of all goals together."""
    return sum(values[goal] - value for goal, value in before.items())


def harm(before: Mapping[str, float], values: Mapping[str, float]) -> float:
    """The most by which one goal falls; 0 if none does."""
    return max((value - values[goal] for goal, value in before.items()), default=0.0)


def _dominates(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(one[goal] >= value for goal, value in other.items()) and any(
        one[goal] > value for goal, value in other.items()
    )
