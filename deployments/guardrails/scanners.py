"""The rules that find places in a text, as scanners.

In: a rule of the configuration. Out: scanners over folded text, in linear time. For expressions
that operators write, RE2 finds the matches, and the beginnings of matches at the end of a text.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import re2

from deployments.guardrails.prefixes import MAX_WIDTH, prefix_expression
from deployments.guardrails.spec import PiiRule, RegexRule, UrlsRule, WordsRule
from deployments.text.folding import DISGUISES, TERMS
from deployments.text.pii_kinds import SCANNERS
from deployments.text.scanning import PatternScanner, Scanner, TextSpan

_MAX_MEMORY = 64 << 20  # bytes for the automata of one expression
_APART = f"[ {DISGUISES}]"  # what separates letters and words in text folded for terms
_SPELLINGS = {"a": "a4@", "e": "e3", "i": "i1!", "l": "l1", "o": "o0", "s": "s5$", "t": "t7"}


@dataclass(frozen=True, slots=True)
class ExpressionScanner:
    """Matches of `pattern` (its group 1, if it has one), of which `beginnings` finds those that a
    text ends with. `is_match` may refuse one, by the whole text and its place there.
    """

    kind: str
    pattern: "re2._Regexp[str]"
    beginnings: "re2._Regexp[str]"
    reach: int
    is_match: Callable[[str, int, int], bool] | None = None

    def scan(self, text: str, position: int, *, is_whole: bool) -> tuple[list[TextSpan], int]:
        spans: list[TextSpan] = []
        limit = len(text) if is_whole else self._undecided(text, position)
        group = min(1, self.pattern.groups)
        while (match := self.pattern.search(text, position)) is not None:
            start, end = match.span(group)
            if match.start() >= limit:
                break
            if self.is_match is not None and not self.is_match(text, start, end):
                position = match.start() + 1
                continue
            spans.append(TextSpan(start, end, self.kind, 1.0))
            position = end
        return spans, max(position, limit)

    def _undecided(self, text: str, position: int) -> int:
        least = max(position, len(text) - self.reach)
        found = self.beginnings.search(text, least)
        return len(text) if found is None else int(found.start())


def pii_scanners(rule: PiiRule) -> list[Scanner]:
    return [SCANNERS[kind] for kind in dict.fromkeys(rule.kinds)]


def regex_scanner(rule: RegexRule) -> Scanner:
    flags = "(?i)" if rule.ignore_case else ""
    beginnings = prefix_expression(rule.pattern)
    return ExpressionScanner(
        rule.id,
        _compile(f"{flags}(?:{rule.pattern})", groups=False),
        _compile(f"{flags}(?:{beginnings})\\z"),
        MAX_WIDTH + 1,
    )


def words_scanner(rule: WordsRule) -> Scanner:
    """Over text folded for terms."""
    terms = sorted({_letters(word) for word in rule.words}, key=lambda each: -sum(map(len, each)))
    patterns = [_term_pattern(term) for term in terms]
    beginnings = [_term_beginnings(term) for term in terms]
    behind = rf"(?:{_APART}|\z)" if rule.whole_words else ""
    return ExpressionScanner(
        rule.id,
        _compile(f"({'|'.join(patterns)}){behind}"),
        _compile(f"(?:{'|'.join(beginnings)})\\z"),
        max(3 * sum(map(len, term)) + 3 for term in terms) + 2,
        _is_whole_word if rule.whole_words else _has_letter,
    )


def _letters(term: str) -> tuple[str, ...]:
    """The words of a term, folded as texts are."""
    return tuple(re.findall(r"[^\W_]+", term.translate(TERMS)))


def _term_pattern(term: tuple[str, ...]) -> str:
    between = f"{_APART}{{1,3}}"
    written = between.join("".join(map(_letter, word)) for word in term)
    if sum(map(len, term)) < 3:
        return written
    letters = [_letter(letter) for word in term for letter in word]
    return f"{written}|{f'{_APART}{{1,2}}'.join(letters)}"


def _term_beginnings(term: tuple[str, ...]) -> str:
    between = f"{_APART}{{0,3}}"
    parts: list[str] = []
    for at, word in enumerate(term):
        parts += [between] if at else []
        parts += map(_letter, word)
    written = _nested(parts)
    letters = [_letter(letter) for word in term for letter in word]
    spaced = [part for letter in letters for part in (letter, f"{_APART}{{0,2}}")][:-1]
    return f"{written}|{_nested(spaced)}"


def _nested(parts: list[str]) -> str:
    """The first part, then perhaps the next, and so on."""
    expression = ""
    for part in reversed(parts[1:]):
        expression = f"(?:{part}{expression})?"
    return parts[0] + expression


def _letter(letter: str) -> str:
    others = _SPELLINGS.get(letter)
    return re2.escape(letter) if others is None else f"[{others}]"


def _is_whole_word(text: str, start: int, end: int) -> bool:
    return _has_letter(text, start, end) and not (start and text[start - 1].isalnum())


def _has_letter(text: str, start: int, end: int) -> bool:
    """Digits alone are no disguised word, unless the word has digits."""
    return any(character.isalpha() for character in text[start:end])


_LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f"
_URL = re.compile(
    rf"(?<![{_LETTERS}0-9@.\-])(?:(?i:[a-z][a-z0-9+.\-]{{1,15}}://|www\.)[^\s<>\"'`\\]{{1,400}}|"
    rf"(?:[{_LETTERS}0-9_\-]{{1,63}}\.){{1,8}}[{_LETTERS}][{_LETTERS}0-9\-]{{1,62}}"
    rf"(?::\d{{1,5}})?(?:[/?#][^\s<>\"'`\\]{{0,400}})?)"
)
_URL_TAIL = re.compile(
    rf"(?:[{_LETTERS}0-9_.\-]+(?::\d{{0,5}})?(?:[/?#][^\s<>\"'`\\]{{0,400}})?|"
    r"[A-Za-z][A-Za-z0-9+.\-]{1,15}:(?:/(?:/[^\s<>\"'`\\]*)?)?|"
    r"(?i:www\.)[^\s<>\"'`\\]*)\Z"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{1,15}://")
_ADDRESS = re.compile(r"(?:[^\s/?#@]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s/?#:@]+)")
_CLOSING = ".,;:!?)]}>*"


def urls_scanner(rule: UrlsRule) -> Scanner:
    allow = None if rule.allow is None else frozenset(map(_plain_domain, rule.allow))
    deny = frozenset(map(_plain_domain, rule.deny))

    def check(text: str, start: int, end: int) -> tuple[int, float] | None:
        while end > start and text[end - 1] in _CLOSING:
            end -= 1
        found = text[start:end]
        scheme = _SCHEME.match(found)
        address = _ADDRESS.match(found, scheme.end() if scheme else 0)
        if address is None:
            return None
        domain = _plain_domain(address[1])
        is_url = scheme is not None or found[:4].lower() == "www."
        if _is_among(domain, deny) or (
            is_url and allow is not None and not _is_among(domain, allow)
        ):
            return end, 1.0
        return None

    return PatternScanner(rule.id, _URL, check, _URL_TAIL, 1_100, ".:")


def _plain_domain(domain: str) -> str:
    """Without case and the dot of the root, in the form of IDNA where it has one."""
    domain = domain.lower().strip(".")
    try:
        return domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        return domain


def _is_among(domain: str, domains: Iterable[str]) -> bool:
    """Whether it is one of these or below one."""
    parts = domain.split(".")
    above = {".".join(parts[at:]) for at in range(len(parts))}
    return not above.isdisjoint(domains)


def _compile(expression: str, *, groups: bool = True) -> "re2._Regexp[str]":
    """Raises re2.error, as for an expression that takes too much memory."""
    options = re2.Options()
    options.log_errors, options.max_mem = False, _MAX_MEMORY
    options.never_capture = not groups
    return re2.compile(expression, options)
