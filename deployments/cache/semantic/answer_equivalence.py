"""When two responses count as equal: the criterion for errors of the semantic cache.

In: two responses' texts. Out: yes or no. The error bound refers to this criterion, so a lenient one
gives more hits and a weaker guarantee.
"""

import unicodedata
from collections.abc import Awaitable, Callable

import regex

from deployments.cache.semantic.semantic_cache import Embed

Judge = Callable[[str, str, str], Awaitable[bool]]

_BETWEEN_WORDS = regex.compile(r"[\s\p{P}]+")


async def equal(tenant: str, one: str, other: str) -> bool:
    """The same words in the same order, whatever their case, spacing and punctuation."""
    return _words(one) == _words(other)


def similar_by_embedding(embed: Embed, at_least: float) -> Judge:
    """A criterion for free text: the cosine of both responses' vectors is `at_least` or more."""

    async def judge(tenant: str, one: str, other: str) -> bool:
        if _words(one) == _words(other):
            return True
        first, second = await embed(tenant, one), await embed(tenant, other)
        return float(first @ second) >= at_least

    return judge


def _words(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _BETWEEN_WORDS.sub(" ", folded).strip()
