"""What is to be optimised, and towards what. Values of JSON, so that they cross processes.

In: the options of a call. Out: an OptimizationTask, or InvalidRequest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from deployments.content.validation import check_platform

Goal = Literal["sentiment", "readability", "keywords", "structure", "engagement"]
Keepable = Literal["urls", "mentions", "numbers", "hashtags", "phrases"]
GOALS: tuple[Goal, ...] = get_args(Goal)
KEEPABLE: tuple[Keepable, ...] = get_args(Keepable)
MAX_CHARACTERS = 10_000
MAX_VARIANTS = 5
MAX_KEYWORDS = 10
MAX_PHRASES = 20
OPTIMIZE = "optimize"  # the name of this work in calls of text analysis


@dataclass(frozen=True, slots=True)
class ModelRewrite:
    """What a model wrote when it was told one goal, before clean-up."""

    goal: str
    text: str


@dataclass(frozen=True, slots=True)
class OptimizationTask:
    """A draft and what to make of it. `keep` names what has to stay (of KEEPABLE), `phrases` are
    those of the caller. `language` is an ISO 639 code, empty where it is not certain.
    `edits_by_rules` says whether rules may edit; `rewrites` are what models wrote; `engagement` is
    a model of outcomes as JSON (engagement.py; empty: the prior).
    """

    text: str
    platform: str
    goals: tuple[str, ...] = GOALS
    keep: tuple[str, ...] = KEEPABLE
    phrases: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    variants: int = 1
    language: str = "en"
    edits_by_rules: bool = True
    rewrites: tuple[ModelRewrite, ...] = ()
    engagement: str = ""

    def options(self) -> dict[str, Any]:
        """All but the text and its language, as JSON: `task_of` reads it."""
        return {
            "platform": self.platform,
            "goals": list(self.goals),
            "keep": list(self.keep),
            "phrases": list(self.phrases),
            "keywords": list(self.keywords),
            "variants": self.variants,
            "edits_by_rules": self.edits_by_rules,
            "engagement": self.engagement,
            "rewrites": [[rewrite.goal, rewrite.text] for rewrite in self.rewrites],
        }


def task_of(text: str, language: str, options: Mapping[str, Any]) -> OptimizationTask:
    """The task of `options()`. Raises InvalidRequest for a platform that is not known."""
    check_platform(options["platform"])
    return OptimizationTask(
        text,
        options["platform"],
        tuple(options["goals"]),
        tuple(options["keep"]),
        tuple(options["phrases"]),
        tuple(options["keywords"]),
        options["variants"],
        language,
        options["edits_by_rules"],
        tuple(ModelRewrite(goal, written) for goal, written in options["rewrites"]),
        options["engagement"],
    )
