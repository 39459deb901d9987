"""Who judges a text, and from which score a category is flagged.

In: the configuration of the graph; scores of rules or of a model. Out: results in OpenAI's shape.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deployments.content.moderation.patterns import PatternIndex, WordPattern, parse_pattern
from deployments.contracts.moderation import (
    CATEGORIES,
    DEFAULT_THRESHOLD,
    ModerationConfig,
)

BUILTIN = Path(__file__).parent / "rules.yaml"
BUILTIN_SCORE = 0.9
# Names by which OpenAI's clients mean "whatever moderates here".
OPENAI_NAMES = frozenset(
    {
        "omni-moderation-latest",
        "omni-moderation-2024-09-26",
        "text-moderation-latest",
        "text-moderation-stable",
        "text-moderation-007",
    }
)


class Moderator:
    """The rules, and what the configuration says of models."""

    def __init__(self, patterns: Iterable[WordPattern], config: ModerationConfig) -> None:
        self._index = PatternIndex(patterns)
        self._config = config

    def resolve(self, model: str | None) -> str:
        """Whom a request means: RULES or a model's id."""
        return self._config.default if model is None or model in OPENAI_NAMES else model

    def rule_scores(self, text: str) -> Mapping[str, float]:
        """By the rules; a subcategory's score counts for the category above it too."""
        found = dict(self._index.scores(text))
        for name, score in tuple(found.items()):
            above, _, below = name.partition("/")
            if below:
                found[above] = max(score, found.get(above, 0.0))
        return found

    def result(self, model: str, scores: Mapping[str, float]) -> dict[str, Any]:
        """One entry of `results`: every category of OpenAI's and every other that has a score."""
        names = (*CATEGORIES, *sorted(scores.keys() - set(CATEGORIES)))
        threshold = self._config.thresholds.get(model, DEFAULT_THRESHOLD)
        category_scores = {name: float(scores.get(name, 0.0)) for name in names}
        categories = {name: score >= threshold for name, score in category_scores.items()}
        return {
            "flagged": any(categories.values()),
            "categories": categories,
            "category_scores": category_scores,
            "category_applied_input_types": {name: ["text"] for name in names},
        }


def moderator(config: ModerationConfig) -> Moderator:
    """Raises patterns.InvalidPattern."""
    own = (
        parse_pattern(text, category, score)
        for category, patterns in config.rules.items()
        for text, score in patterns
    )
    return Moderator([*(_builtin() if config.builtin else ()), *own], config)


@cache
def _builtin() -> Sequence[WordPattern]:
    rules: dict[str, list[str]] = yaml.safe_load(BUILTIN.read_text(encoding="utf-8"))
    return tuple(
        parse_pattern(text, category, BUILTIN_SCORE)
        for category, patterns in rules.items()
        for text in patterns
    )
