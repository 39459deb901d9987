"""The moderation stage: its rules, checked when they are deployed."""

from deployments.content.moderation.moderator import moderator
from deployments.contracts.moderation import RULES, ModerationConfig
from graphs.moderation_args import ModerationArgs, ModerationRule

_MAX_RULES = 10_000


def moderation_config(args: ModerationArgs) -> ModerationConfig:
    """What the ingress is told. Raises ValueError, which names the pattern."""
    rules = {category: tuple(map(_rule, patterns)) for category, patterns in args.rules.items()}
    if sum(map(len, rules.values())) > _MAX_RULES:
        raise ValueError(f"moderation.rules: there may be at most {_MAX_RULES}")
    thresholds = {RULES: args.threshold} | {model.id: model.threshold for model in args.models}
    config = ModerationConfig(args.default, args.builtin, rules, thresholds)
    try:
        moderator(config)
    except ValueError as error:
        raise ValueError(f"moderation.rules: {error}") from None
    return config


def _rule(rule: str | ModerationRule) -> tuple[str, float]:
    given = ModerationRule(pattern=rule) if isinstance(rule, str) else rule
    return given.pattern, given.score
