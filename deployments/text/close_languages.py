"""Languages that a statistical model takes for each other in short texts, told apart by what one
has and the other has not.

Flows in: the words of a text and the language that the model found. Flows out: the language, maybe
another one. Chinese, Japanese and Korean are told by their scripts, also beside Latin names;
Danish, Norwegian and Swedish by common words that are not the same.
"""

import regex

_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HANGUL = regex.compile(r"\p{Hangul}")
_HAN = regex.compile(r"\p{Han}")
_DENSITY = 2  # a Han character, kana or Hangul syllable says as much as two Latin letters or more

_SCANDINAVIAN = {
    "da": "af blev byer dejlig dig efter eller fra gerne hvad jer jeres kigge kun lige meget mig "
    "nogle og også os sig tak uge ugen være vores åbner aften syv bag bare ikke nu hvordan",
    "no": "av ble byer deg etter eller fra gjerne hva dere deres bare mye meg noen og også oss seg "
    "takk uke uka være vår vårt våre åpner kveld sju bak ikke nå hvordan veldig klokka",
    "sv": "av blev och att är inte jag för från eller gärna vad er era bara mycket mig någon några "
    "också oss sig tack vecka veckan vara vår vårt våra öppnar kväll sju bakom nu hur när ett",
}
_WORDS = {code: frozenset(words.split()) for code, words in _SCANDINAVIAN.items()}


def settle_language(words: list[str], found: str) -> str:
    """The ISO 639 code."""
    text = "".join(words)
    by_script = "" if text.isascii() else _east_asian(text)
    if by_script:
        return by_script
    return _scandinavian(words, found) if found in _WORDS else found


def _east_asian(text: str) -> str:
    """Empty for a text that is mostly of other scripts."""
    kana, hangul, han = (len(each.findall(text)) for each in (_KANA, _HANGUL, _HAN))
    own = kana + hangul + han
    if not own or _DENSITY * own < len(text) - own:
        return ""
    if hangul >= max(kana, 1):
        return "ko"
    return "ja" if kana else "zh"


def _scandinavian(words: list[str], found: str) -> str:
    """The one with the most common words; as found, where others have no more."""
    folded = [word.casefold() for word in words]
    counts = {code: sum(word in common for word in folded) for code, common in _WORDS.items()}
    best = max(counts, key=lambda code: (counts[code], code == found))
    return best if counts[best] > counts[found] else found
