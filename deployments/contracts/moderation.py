"""What moderation is about: OpenAI's categories of harm, and who may judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.runtime.pickle_compat import version_tolerant

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
RULES = "rules"  # the id of the rules, beside those of models
DEFAULT_THRESHOLD = 0.5


@version_tolerant
@dataclass(frozen=True, slots=True)
class ModerationConfig:
    """`default` judges where a request names nobody: RULES or a model's id. `rules` are patterns by
    category with their scores, beside the built-in ones where `builtin`. `thresholds` are by model:
    the score from which a category is flagged.
    """

    default: str = RULES
    builtin: bool = True
    rules: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
