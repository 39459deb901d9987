"""The rules that edit a draft, in the order in which they are tried.

In: a draft. Out: proposals: small edits with a reason. Whether one is taken, the search decides. To
add a rule, write a generator of TextEdits and name it here with the goals that it may help.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployments.content.optimization.draft import DraftText, TextEdit
from deployments.content.optimization.editors.additions import (
    add_call,
    add_emoji,
    add_hashtags,
    add_warm_closing,
    drop_hashtags,
    place_keywords,
)
from deployments.content.optimization.editors.layout import break_lines, tidy_up
from deployments.content.optimization.editors.sentences import move_hook, split_sentences
from deployments.content.optimization.editors.wording import (
    plain_words,
    positive_words,
    quiet_capitals,
)


@dataclass(frozen=True, slots=True)
class EditRule:
    """`goals` are those that its edits may help: it is not asked for others. Its proposals do not
    overlap, unless it `has_alternatives`."""

    propose: Callable[[DraftText], Iterator[TextEdit]]
    goals: frozenset[str]
    has_alternatives: bool = False


def _rule(
    propose: Callable[[DraftText], Iterator[TextEdit]], *goals: str, has_alternatives: bool = False
) -> EditRule:
    return EditRule(propose, frozenset(goals), has_alternatives)


RULES = (
    _rule(tidy_up, "structure"),
    _rule(quiet_capitals, "structure"),
    _rule(break_lines, "structure", "engagement"),
    _rule(add_hashtags, "keywords", "structure", "engagement"),
    _rule(drop_hashtags, "structure", "engagement"),
    _rule(plain_words, "readability", "engagement"),
    _rule(split_sentences, "readability", "structure", "engagement", has_alternatives=True),
    _rule(move_hook, "structure", "engagement", has_alternatives=True),
    _rule(add_emoji, "engagement", "sentiment"),
    _rule(positive_words, "sentiment"),
    _rule(place_keywords, "keywords", "structure", has_alternatives=True),
    _rule(add_call, "engagement", "sentiment", "structure", has_alternatives=True),
    _rule(add_warm_closing, "sentiment"),
)
