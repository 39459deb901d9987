"""Edits of words, English: plain words for long ones, good words for bad ones, no shouting.

In: a draft. Out: proposals, of which each replaces one phrase.
"""

from collections.abc import Iterator

import regex

from deployments.content.optimization.draft import SHOUT, DraftText, TextEdit
from deployments.text.segments import mask_links

_PLAIN = {
    "utilize": "use", "utilise": "use", "utilizes": "uses", "utilizing": "using",
    "utilization": "use", "approximately": "about", "additional": "more", "additionally": "also",
    "assistance": "help", "commence": "start", "commences": "starts", "commencing": "starting",
    "demonstrate": "show", "demonstrates": "shows", "endeavour": "try", "endeavor": "try",
    "facilitate": "help", "facilitates": "helps", "furthermore": "also", "however": "but",
    "immediately": "now", "implement": "set up", "in order to": "to", "individuals": "people",
    "initiate": "start", "modification": "change", "modifications": "changes",
    "numerous": "many", "nevertheless": "still", "obtain": "get", "participate in": "join",
    "prior to": "before", "subsequent to": "after", "subsequently": "later", "purchase": "buy",
    "regarding": "about", "requirement": "need", "requirements": "needs", "sufficient": "enough",
    "terminate": "end", "therefore": "so", "consequently": "so", "acquire": "get",
    "acquired": "got", "a large number of": "many", "a number of": "some", "at this point in time":
    "now", "due to the fact that": "because", "in the event that": "if", "in the near future":
    "soon", "with regard to": "about", "for the purpose of": "for", "is able to": "can",
    "are able to": "can", "has the ability to": "can", "take into consideration": "consider",
    "establish": "set up", "established": "set up", "opportunity": "chance", "opportunities":
    "chances", "methodology": "method", "functionality": "features", "beneficial": "good",
    "significantly": "much", "considerable": "big", "accomplish": "do", "anticipate": "expect",
    "ascertain": "find out", "component": "part", "components": "parts", "objective": "goal",
    "objectives": "goals", "remainder": "rest", "residence": "home", "transmit": "send",
    "in addition": "also", "in conjunction with": "with", "notwithstanding": "despite",
}  # fmt: skip
_GOOD = {
    "don't hesitate to": "feel free to", "do not hesitate to": "feel free to",
    "don't forget to": "remember to", "do not forget to": "remember to", "problem": "challenge",
    "problems": "challenges", "cheap": "great value", "cheapest": "best value", "not bad": "good",
    "no problem": "gladly", "hassle-free": "easy", "hassle free": "easy", "worry-free": "relaxed",
    "pain-free": "easy",
    "painless": "easy", "without stress": "with ease", "stress-free": "relaxed",
    "you won't regret it": "you will love it", "you will not regret it": "you will love it",
    "you won't be disappointed": "you will love it", "you will not be disappointed":
    "you will love it", "complaints": "feedback", "struggling with": "working on",
    "struggle with": "work on", "stop wasting time on": "save time on",
    "stop wasting money on": "save money on", "hard to beat": "the best we know",
}  # fmt: skip


def _pattern(phrases: dict[str, str]) -> regex.Pattern[str]:
    ordered = sorted(phrases, key=len, reverse=True)
    return regex.compile(rf"(?<![\w#@])(?:{'|'.join(map(regex.escape, ordered))})(?![\w])", regex.I)


_PLAIN_PATTERN, _GOOD_PATTERN = _pattern(_PLAIN), _pattern(_GOOD)


def plain_words(draft: DraftText) -> Iterator[TextEdit]:
    """A short word where a long one says the same."""
    yield from _replaced(draft, _PLAIN, _PLAIN_PATTERN, "plain word", "is plainer than")


def positive_words(draft: DraftText) -> Iterator[TextEdit]:
    """The good side of what the text says."""
    yield from _replaced(draft, _GOOD, _GOOD_PATTERN, "positive wording", "sounds better than")


def _replaced(
    draft: DraftText, phrases: dict[str, str], pattern: regex.Pattern[str], rule: str, why: str
) -> Iterator[TextEdit]:
    if not draft.is_english:
        return
    for match in pattern.finditer(mask_links(draft.text)):
        old = draft.text[match.start() : match.end()].replace("’", "'")
        new = _in_case_of(old, phrases[old.lower()])
        yield TextEdit(match.start(), match.end(), new, rule, f"'{new}' {why} '{old}'.")


def _in_case_of(old: str, new: str) -> str:
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() else new


def quiet_capitals(draft: DraftText) -> Iterator[TextEdit]:
    """Words in capitals, two and more in a row, become words: all of the text at once."""
    text = SHOUT.sub(_quiet, draft.text)
    if text != draft.text:
        whole = TextEdit(
            0, len(draft.text), text, "quiet capitals", "Rows of words in capitals shout."
        )
        yield whole.trimmed(draft.text)


def _quiet(match: "regex.Match[str]") -> str:
    shouted = match.group()
    return shouted.capitalize() if _opens(match.string, match) else shouted.lower()


def _opens(text: str, match: "regex.Match[str]") -> bool:
    """Whether it begins a sentence."""
    before = text[: match.start()].rstrip(" \t")
    return not before or not (before[-1].isalnum() or before[-1] in ",;'’\"()")
