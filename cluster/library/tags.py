"""Tags of posts: short words, NFKC and case folded, each once."""

import unicodedata
from collections.abc import Iterable

from cluster.library.model import MAX_TAG, MAX_TAGS


def normalize_tags(given: Iterable[str]) -> tuple[str, ...]:
    """In the order given. Raises ValueError, which names a tag that is none."""
    tags = tuple(dict.fromkeys(map(_normalized, given)))
    if len(tags) > MAX_TAGS:
        raise ValueError(f"at most {MAX_TAGS} tags")
    return tags


def _normalized(given: str) -> str:
    """Raises ValueError."""
    tag = " ".join(unicodedata.normalize("NFKC", given).casefold().split())
    if not 0 < len(tag) <= MAX_TAG:
        raise ValueError(f"a tag has 1 to {MAX_TAG} characters")
    if any(each == "," or unicodedata.category(each) in ("Cc", "Cs", "Cn") for each in tag):
        raise ValueError("a tag has no commas and no control characters")
    return tag
