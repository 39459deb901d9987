"""Regular expressions of tenants: matched for a bounded time, whatever they and the text are.

In: a pattern and a text. Out: whether it matches. The package `regex` checks its timeout while it
matches. What Python's `re` does not know (fuzzy matching, recursion, named lists) is refused, as is
what is over MAX_PATTERN characters.
"""

import re
import time
from functools import lru_cache

import regex

MAX_PATTERN = 256  # characters
MATCH_S = 0.02  # seconds for all the matches of one budget
_NO_REPEAT = re.compile(r"(?<!\\)(?:\\\\)*\{(?!\d*,?\d*\})")  # the fuzzy matching of `regex`


class PatternTimeout(Exception):
    """A match took longer than its budget."""


def pattern_fault(pattern: str) -> str | None:
    """Why the pattern is not accepted; None: it is."""
    if len(pattern) > MAX_PATTERN:
        return f"is over {MAX_PATTERN} characters"
    if _NO_REPEAT.search(pattern):
        return "has a '{' that begins no repeat; write '\\{'"
    try:
        re.compile(pattern)
        _compiled(pattern)
    except (re.error, regex.error, OverflowError, RecursionError, ValueError) as error:
        return f"is no regular expression: {str(error)[:200]}"
    return None


class MatchBudget:
    """The time that several matches may take together, from the first one on."""

    def __init__(self, seconds: float = MATCH_S) -> None:
        self._left_s = seconds

    def matches(self, pattern: str, text: str, *, whole: bool) -> bool:
        """Whether the `whole` text, or some part of it, matches. Raises PatternTimeout."""
        if self._left_s <= 0:
            raise PatternTimeout
        compiled, started = _compiled(pattern), time.perf_counter()
        find = compiled.fullmatch if whole else compiled.search
        try:
            return find(text, timeout=self._left_s) is not None
        except TimeoutError:
            raise PatternTimeout from None
        finally:
            self._left_s -= time.perf_counter() - started


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    return regex.compile(pattern)
