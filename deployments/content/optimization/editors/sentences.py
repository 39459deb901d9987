"""Edits of sentences: long ones are split, a strong one opens the text.

In: a draft. Out: proposals.
"""

from collections.abc import Iterator
from functools import lru_cache

import regex

from deployments.content.optimization.draft import DraftText, TextEdit
from deployments.content.optimization.editors.additions import ADDED
from deployments.content.text_counts import WORD
from deployments.text.segments import Place

LONG_SENTENCE = 25  # words
_SHORTEST_HOOK, SHORT_HOOK = 4, 12  # words
_READER = regex.compile(r"\b(?:you|your)\b", regex.I)
_LEAST = 5  # words of a part
_SEMICOLON = regex.compile(r"\s*[;–—]\s+")
_JOINT = regex.compile(
    r",\s+(?P<word>and|but|so|yet)\s+"
    r"(?=(?:we|you|they|he|she|it|i|this|that|these|those|there|our|your|the|a|an|everyone|"
    r"everybody|nobody|people)\b)",
    regex.I,
)
_PLAIN_JOINT = regex.compile(
    r"(?<![,;:\s])\s+(?P<word>and|but|so)\s+(?=(?:we|you|they|he|she|it|i|there)\s)", regex.I
)
# What such a sentence speaks of was named before it.
_LEANS = regex.compile(
    r"(?:and|but|so|or|it|its|this|that|these|those|they|them|he|she|here|there|then|also|too|"
    r"because|however|plus|still|yet|instead|both|such|which|thanks?|see you|more)\b",
    regex.I,
)
_ENDS = ".!?…"


def split_sentences(draft: DraftText) -> Iterator[TextEdit]:
    """Splits the sentences of more than LONG_SENTENCE words, where two clauses meet."""
    for start, end in draft.sentences:
        count = len(WORD.findall(draft.text, start, end))
        if count <= LONG_SENTENCE:
            continue
        for joint in _joints(draft, start, end):
            left = len(WORD.findall(draft.text, start, joint.start()))
            if left >= _LEAST and count - left > _LEAST:
                yield _split(draft, joint, count)


def _joints(draft: DraftText, start: int, end: int) -> "Iterator[regex.Match[str]]":
    yield from _SEMICOLON.finditer(draft.text, start, end)
    if draft.is_english:
        yield from _JOINT.finditer(draft.text, start, end)
        yield from _PLAIN_JOINT.finditer(draft.text, start, end)


def _split(draft: DraftText, joint: "regex.Match[str]", count: int) -> TextEdit:
    word = joint.groupdict().get("word") or ""
    kept = "" if word.lower() in ("", "and") else f"{word.capitalize()} "
    after = joint.end()
    letter = draft.text[after]
    next_word = kept + (letter if kept else letter.upper())
    return TextEdit(
        joint.start(),
        after + 1,
        f". {next_word}",
        "split sentence",
        f"A sentence of {count} words is split in two.",
    )


def move_hook(draft: DraftText) -> Iterator[TextEdit]:
    """Puts a short sentence with a question, a number or the reader before a weaker opening."""
    if len(draft.sentences) < 2:
        return
    first, *others = draft.sentences
    if _strength_at(draft, first) == 3:
        return
    ranked = sorted(others[:12], key=lambda place: (-_strength_at(draft, place), place))
    for start, end in ranked[:2]:
        hook = draft.text[start:end]
        is_stronger = _strength(hook) > max(1, _strength_at(draft, first))
        if not is_stronger or _LEANS.match(hook) or hook in ADDED:
            continue
        after_first = draft.text[first[1] : draft.sentences[1][0]]
        gap = after_first if after_first.isspace() else " "
        rest = draft.text[first[0] : start].rstrip()
        moved = f"{hook}{gap}{rest}" if hook[-1] in _ENDS else f"{hook}.{gap}{rest}"
        yield TextEdit(
            first[0], end, moved, "move hook up", "The strongest sentence opens the text."
        )


def _strength_at(draft: DraftText, place: Place) -> int:
    return _strength(draft.text[place[0] : place[1]])


@lru_cache(maxsize=4_096)
def _strength(part: str) -> int:
    """0 to 3: short, inviting, complete."""
    inviting = "?" in part or any(char.isdigit() for char in part) or _READER.search(part)
    return 2 * bool(inviting) + (_SHORTEST_HOOK <= len(WORD.findall(part)) <= SHORT_HOOK)
