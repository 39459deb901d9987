"""Validation: a brief in, nothing out; a brief that cannot be served raises a Problem naming the
field and its limit.
"""

from cluster.runtime.problems import InvalidRequest
from deployments.content.brief import Brief
from deployments.content.platforms import platform, platforms
from deployments.content.prompts import single_line
from deployments.content.styles import styles, tones

MAX_VARIANTS = 10
MAX_TOPIC_CHARS = 500
MAX_DRAFT_CHARS = 20_000
MAX_AUDIENCE_CHARS = 200
MAX_KEYWORDS = 10
MAX_KEYWORD_CHARS = 60
LENGTHS = ("short", "medium", "long")
KINDS = ("caption", "post")


def check_brief(brief: Brief) -> None:
    """Raise InvalidRequest (`param`, and `limit` or `allowed`) for the first field out of range."""
    check_platform(brief.platform)
    check_style(brief.style)
    check_tone(brief.tone)
    _one_of("length", brief.length, LENGTHS)
    _one_of("kind", brief.kind, KINDS)
    has_text = single_line(brief.topic) or single_line(brief.draft or "")
    if not has_text and not brief.pictures:
        raise InvalidRequest("'topic' is empty, and there is no draft to rewrite.", param="topic")
    _at_most("topic", len(brief.topic), MAX_TOPIC_CHARS, "characters")
    _at_most("draft", len(brief.draft or ""), MAX_DRAFT_CHARS, "characters")
    _at_most("audience", len(brief.audience or ""), MAX_AUDIENCE_CHARS, "characters")
    _at_most("keywords", len(brief.keywords), MAX_KEYWORDS, "entries")
    _at_most("language", len(brief.language), MAX_KEYWORD_CHARS, "characters")
    for index, word in enumerate(brief.keywords):
        _at_most(f"keywords.{index}", len(word), MAX_KEYWORD_CHARS, "characters")
    _between("hashtags", brief.hashtags, 0, platform(brief.platform).max_hashtags)


def check_platform(name: str) -> None:
    """Raise InvalidRequest for a platform that is not registered."""
    _one_of("platform", name, [entry.name for entry in platforms()])


def check_style(name: str) -> None:
    """Raise InvalidRequest for a style that is not registered."""
    _one_of("style", name, [entry.name for entry in styles()])


def check_tone(name: str) -> None:
    """Raise InvalidRequest for a tone that is not registered."""
    _one_of("tone", name, [entry.name for entry in tones()])


def check_variants(variants: int) -> None:
    """Raise InvalidRequest unless 1 <= `variants` <= MAX_VARIANTS."""
    _between("variants", variants, 1, MAX_VARIANTS)


def _one_of(field: str, value: str, allowed: list[str] | tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidRequest(
            f"'{field}' is '{value[:60]}'; it can be {', '.join(allowed)}.",
            param=field,
            allowed=list(allowed),
        )


def _at_most(field: str, size: int, limit: int, unit: str) -> None:
    if size > limit:
        raise InvalidRequest(
            f"'{field}' has {size} {unit}; the limit is {limit}.", param=field, limit=limit
        )


def _between(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidRequest(
            f"'{field}' is {value}; it can be {low} to {high}.", param=field, limit=high
        )
