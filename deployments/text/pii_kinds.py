"""The kinds of personal data that can be told by their form, as patterns over folded text.

In: nothing. Out: a PatternScanner for each kind. Every quantifier is bounded; what a pattern lets
through is decided by check digits, lengths and the words before it.
"""

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable

from deployments.text import checksums
from deployments.text.scanning import PatternScanner

CONTEXT = 64  # characters before a candidate that may speak for it
_LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f"  # of scripts that part words by spaces
_ASCII_RUN = re.compile(rf"[{_LETTERS}0-9.!#$%&'*+/=?^_`{{|}}~@:\-]+\Z")
_NUMBER_RUN = re.compile(r"[0-9+(][0-9 ().+/\-]*\Z|\b[0-9]\Z")
_FALSE_IPV6 = frozenset(("::", ":"))
_CARD_DIGITS, _PHONE_DIGITS = range(13, 20), range(7, 16)
_WORD_BEFORE = re.compile(r"(?i)(?:tel|phone|fon|fax|mobil|cell|call|whatsapp|sms|handy|m[oó]vil)")
_TAX_BEFORE = re.compile(r"(?i)(?:steuer|tax|tin\b|id-?nr|pesel|cpf|identif)")
_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ][01]?\d[-./ ][0-3]?\d(?!\d)|[0-3]?\d[-./ ][01]?\d[-./ ](?:19|20)\d\d(?!\d)"
)
_DECIMAL = re.compile(r"\d+\.\d+")
_NORTH_AMERICAN = re.compile(r"(?:1[-. ])?[2-9]\d\d[-. ][2-9]\d\d[-. ]\d{4}")
_ENTROPY_BITS = 3.6  # for each character of a secret without a known beginning


def _email(text: str, start: int, end: int) -> tuple[int, float] | None:
    while text[end - 1] in ".-_":
        end -= 1
    return end, 0.99


def _credentials(text: str, start: int, end: int) -> tuple[int, float] | None:
    return end, 0.99


def _card(text: str, start: int, end: int) -> tuple[int, float] | None:
    """The longest part from `start` on that passes; groups are not parted."""
    if text[start] not in "23456" or _is_inside_number(text, start):
        return None
    while end > start:
        digits = checksums.compact(text[start:end])
        if len(digits) not in _CARD_DIGITS:
            return None
        if checksums.passes_luhn(digits) and not text[end : end + 1].isdigit():
            return end, 0.97
        end = max(text.rfind(" ", start, end), text.rfind("-", start, end))
    return None


def _iban(text: str, start: int, end: int) -> tuple[int, float] | None:
    length = checksums.IBAN_LENGTHS.get(text[start : start + 2].upper())
    if length is None:
        return None
    at, left = start, length
    while left and at < end:
        left -= text[at].isalnum()
        at += 1
    number = checksums.compact(text[start:at])
    if left or text[at : at + 1].isalnum() or not checksums.passes_mod_97(number):
        return None
    return at, 0.99


def _phone(text: str, start: int, end: int) -> tuple[int, float] | None:
    """International numbers by their prefix, national ones by their zero or their grouping."""
    if _is_inside_number(text, start):
        return None
    digits = re.sub(r"\D", "", text[start:end])
    if len(digits) not in _PHONE_DIGITS or text[end : end + 1].isalnum() or len(set(digits)) < 2:
        return None
    score = _phone_score(text[start:end], len(digits))
    if score is None and _WORD_BEFORE.search(text, max(0, start - CONTEXT), start):
        score = 0.75
    return None if score is None else (end, score)


def _phone_score(found: str, digits: int) -> float | None:
    if found.startswith("+") or (found.startswith("00") and digits >= 10):
        return 0.95
    if _DATE.match(found) or found.count(".") == 3 or _DECIMAL.fullmatch(found):
        return None
    if found[0] == "(" or (found[0] == "0" and found[1] != "0"):
        return 0.8 if digits >= 9 else None
    return 0.85 if _NORTH_AMERICAN.fullmatch(found) else None


def _ipv4(text: str, start: int, end: int) -> tuple[int, float] | None:
    is_longer = text[end : end + 1].isdigit() or re.match(r"\.\d", text[end : end + 2])
    if is_longer or _is_inside_number(text, start):
        return None
    return (end, 0.9) if all(int(part) < 256 for part in text[start:end].split(".")) else None


def _ipv6(text: str, start: int, end: int) -> tuple[int, float] | None:
    if start and (text[start - 1].isalnum() or text[start - 1] == ":"):
        return None
    found = text[start:end].rstrip(".")
    if found.endswith(":") and not found.endswith("::"):
        found = found[:-1]
    if found in _FALSE_IPV6 or found.count(":") < 2:
        return None
    try:
        ipaddress.IPv6Address(found)
    except ValueError:
        return None
    return start + len(found), 0.95


_NATIONAL: tuple[tuple[re.Pattern[str], Callable[[str], bool], bool], ...] = (
    (re.compile(r"\d{3}([- ])\d{2}\1\d{4}"), checksums.is_american, False),
    (re.compile(r"[A-Za-z]{2} ?\d\d ?\d\d ?\d\d ?[A-Da-d]"), checksums.is_british, False),
    (re.compile(r"(?:\d{8}|[XYZxyz]-?\d{7})-?[A-Za-z]"), checksums.is_spanish, False),
    (
        re.compile(r"[12478] ?\d\d ?\d\d ?(?:\d\d|2[ABab]) ?\d{3} ?\d{3} ?\d\d"),
        checksums.is_french,
        False,
    ),
    (re.compile(r"(?i)[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]"), checksums.is_italian, False),
    (re.compile(r"\d{17}[\dXx]"), checksums.is_chinese, False),
    (re.compile(r"\d{3}\.\d{3}\.\d{3}-\d\d"), checksums.is_brazilian, False),
    (re.compile(r"\d{11}"), checksums.is_brazilian, True),
    (re.compile(r"\d\d ?\d{3} ?\d{3} ?\d{3}"), checksums.is_german, True),
    (re.compile(r"\d{11}"), checksums.is_polish, True),
)


def _national(text: str, start: int, end: int) -> tuple[int, float] | None:
    """Numbers with one check digit and no grouping of their own need a word that speaks for them;
    the others are rare by chance."""
    if start and (text[start - 1].isalnum() or text[start - 1] in "+"):
        return None
    for pattern, is_valid, needs_word in _NATIONAL:
        found = pattern.match(text, start)
        if found is None or text[found.end() : found.end() + 1].isalnum():
            continue
        if needs_word and not _TAX_BEFORE.search(text, max(0, start - CONTEXT), start):
            continue
        if is_valid(checksums.compact(found[0])):
            return found.end(), 0.9
    return None


_KNOWN_SECRET = re.compile(
    r"sk-|rk_|sk_(?:live|test)_|pk_live_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AKIA|ASIA|AIza|"
    r"ya29\.|hf_|npm_|pypi-|mob_|eyJ|SG\.|dop_v1_|shpat_"
)
_KEY = r"(?:(?:api|access|secret)[ _-]?key|secret|token|password|passwort|passwd|pwd)"
_ASSIGNED = re.compile(rf"(?i){_KEY}[\"']? ?(?:[:=]|is) ?[\"']?")


def _secret(text: str, start: int, end: int) -> tuple[int, float] | None:
    """By a known beginning, by the word before it, or by its randomness."""
    if start and (text[start - 1].isalnum() or text[start - 1] in "_-"):
        return None
    found = text[start:end]
    if _KNOWN_SECRET.match(found) and len(found) >= 16:
        return end, 0.95
    assigned = _ASSIGNED.match(found)
    if assigned is not None:
        value = found[assigned.end() :]
        is_mixed = not (value.islower() or value.isupper() or value.istitle())
        return (end, 0.8) if not value.isalpha() or (is_mixed and len(value) >= 12) else None
    if len(found) < 32 or not (
        re.search("[0-9]", found) and re.search("[a-z]", found) and re.search("[A-Z]", found)
    ):
        return None
    bits = -sum(
        count / len(found) * math.log2(count / len(found)) for count in Counter(found).values()
    )
    return (end, 0.7) if bits >= _ENTROPY_BITS else None


def _is_inside_number(text: str, start: int) -> bool:
    """Whether digits stand right before."""
    before = text[max(0, start - 2) : start]
    return bool(before) and (before[-1].isalnum() or (before[-1] in ".," and before[:-1].isdigit()))


_LOCAL = rf"[{_LETTERS}0-9!#$%&'*+/=?^_`{{|}}~\-](?:[{_LETTERS}0-9.!#$%&'*+/=?^_`{{|}}~\-]{{0,63}})"
_HOST = rf"[{_LETTERS}0-9](?:[{_LETTERS}0-9.\-]{{0,180}})"
_BEGIN = "(?<![A-Za-z0-9])"
_TOKEN = r"[A-Za-z0-9_.+/=\-]"

SCANNERS: dict[str, PatternScanner] = {
    scanner.kind: scanner
    for scanner in (
        PatternScanner(
            "email",
            re.compile(rf"{_LOCAL}@{_HOST}\.[{_LETTERS}][{_LETTERS}0-9\-]{{1,23}}"),
            _email,
            _ASCII_RUN,
            320,
            "@",
        ),
        PatternScanner(
            "url_credentials",
            re.compile(
                r"[A-Za-z][A-Za-z0-9+.\-]{1,15}://[^\s/@:]{1,64}:[^\s/@]{1,128}@[\w.\-]{1,190}(?::\d{1,5})?"
            ),
            _credentials,
            re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,15}(?::(?:/(?:/[^\s]*)?)?)?\Z"),
            416,
            "@",
        ),
        PatternScanner(
            "phone", re.compile(r"[+(]?\(?\d(?:[ ().\-/]{0,2}\d){6,14}"), _phone, _NUMBER_RUN, 64
        ),
        PatternScanner("card", re.compile(r"\d(?:[ \-]?\d){12,18}"), _card, _NUMBER_RUN, 48),
        PatternScanner(
            "iban",
            re.compile(rf"{_BEGIN}[A-Za-z]{{2}}\d\d(?:[ \-]?[A-Za-z0-9]){{11,30}}"),
            _iban,
            re.compile(
                rf"{_BEGIN}[A-Za-z]{{1,2}}"
                r"(?:\Z|\d(?:\Z|\d(?:[ \-]?[A-Za-z0-9]){0,30}[ \-]?\Z))"
            ),
            80,
        ),
        PatternScanner(
            "ipv4",
            re.compile(r"\d{1,3}(?:\.\d{1,3}){3}"),
            _ipv4,
            re.compile(r"[0-9.]+\Z"),
            20,
            ".",
        ),
        PatternScanner(
            "ipv6",
            re.compile(r"[0-9A-Fa-f:]{1,40}:[0-9A-Fa-f:.]{0,24}"),
            _ipv6,
            re.compile(r"[0-9A-Fa-f:.]+\Z"),
            72,
            ":",
        ),
        PatternScanner(
            "national_id",
            re.compile(
                rf"{_BEGIN}(?:\d{{8}}-?[A-Za-z]|[XYZxyz]-?\d{{7}}|\d[\d .\-]{{8,20}}|"
                r"[12478][0-9 ABab]{14,20}|[A-Za-z]{2} ?\d\d ?\d\d ?\d\d ?[A-Da-d]|"
                r"[A-Za-z]{6}\d\d[A-Za-z]\d\d[A-Za-z]\d{3}[A-Za-z])"
            ),
            _national,
            re.compile(
                rf"{_BEGIN}(?:[0-9XYZxyz][0-9 .\-]*(?:[A-Za-z][0-9 ]*)?|"
                r"[A-Za-z]{1,2}(?: ?(?:\d[\d ]{0,8}[A-Da-d]?)?)?|"
                r"[A-Za-z]{1,6}|[A-Za-z]{6}[0-9A-Za-z]{1,11})\Z"
            ),
            40,
        ),
        PatternScanner(
            "secret",
            re.compile(rf"(?i:{_ASSIGNED.pattern[4:]})[^\s\"',;]{{6,128}}|{_TOKEN}{{16,448}}"),
            _secret,
            re.compile(
                rf"(?i:{_KEY}[\"']? ?(?:[:=]|is?)? ?[\"']?[^\s]{{0,128}}\Z|"
                rf"(?:api|access|secret)[ _-](?:ke?)?\Z)|{_TOKEN}+\Z"
            ),
            460,
        ),
    )
}
KINDS = tuple(SCANNERS)
