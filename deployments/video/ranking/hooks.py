"""Hooks: what keeps a viewer, from the words alone. A sentence in; a strength 0 to 1 and reasons
out.

A question, a number and an exclamation are recognised by characters in any script. Words that
address the viewer, are extreme or contrast are listed for a few languages; other languages rely on
the characters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

QUESTIONS = frozenset("?？؟;՞")
EXCLAMATIONS = frozenset("!！¡")
WEIGHTS: Mapping[str, float] = {
    "a question": 0.40,
    "an exclamation": 0.20,
    "a number": 0.25,
    "speaks to the viewer": 0.25,
    "an extreme": 0.35,
    "a turn": 0.25,
}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "speaks to the viewer": "you your yours yourself you're you'll you've imagine listen look",
        "an extreme": "best worst most biggest greatest fastest craziest hardest never ever always "
        "nobody everyone everybody secret incredible insane amazing shocking unbelievable huge "
        "mistake impossible wrong crazy",
        "a turn": "but however instead actually suddenly although yet except surprisingly truth",
    },
    "de": {
        "speaks to the viewer": "du dich dir dein deine euch ihr euer stell schau",
        "an extreme": "beste besten schlimmste größte größten nie niemals immer niemand geheimnis "
        "unglaublich verrückt fehler unmöglich falsch jeder",
        "a turn": "aber jedoch sondern stattdessen plötzlich trotzdem doch eigentlich wahrheit",
    },
    "es": {
        "speaks to the viewer": "tú tu tus te ti usted ustedes imagina mira escucha",
        "an extreme": "mejor peor mayor nunca jamás siempre nadie secreto increíble loco error "
        "imposible todos",
        "a turn": "pero sino aunque embargo realidad verdad",
    },
    "fr": {
        "speaks to the viewer": "tu te toi ton ta tes vous votre vos imagine imaginez regardez",
        "an extreme": "meilleur pire jamais toujours personne secret incroyable fou erreur "
        "impossible tous",
        "a turn": "mais pourtant cependant soudain malgré vérité",
    },
    "pt": {
        "speaks to the viewer": "você vocês teu tua imagine olha escuta",
        "an extreme": "melhor pior maior nunca jamais sempre ninguém segredo incrível erro "
        "impossível todos",
        "a turn": "mas porém embora verdade",
    },
}
LISTS = {
    language: {kind: frozenset(words.split()) for kind, words in kinds.items()}
    for language, kinds in _WORDS.items()
}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
NOTHING: Mapping[str, frozenset[str]] = {}


@dataclass(frozen=True, slots=True)
class Hook:
    strength: float
    reasons: tuple[str, ...]


def hook_of(text: str, language: str | None) -> Hook:
    """The hook of `text`. `language` is a BCP 47 tag; None is taken as English."""
    tag = (language or "en").split("-")[0].lower()
    words = words_of(text)
    reasons = _reasons_by_characters(text)
    reasons += [kind for kind, keywords in LISTS.get(tag, NOTHING).items() if keywords & words]
    remaining = 1.0
    for reason in reasons:
        remaining *= 1.0 - WEIGHTS[reason]
    return Hook(1.0 - remaining, tuple(reasons))


def words_of(text: str) -> frozenset[str]:
    return frozenset(word.replace("’", "'") for word in _WORD.findall(text.casefold()))


def _reasons_by_characters(text: str) -> list[str]:
    marks = set(text)
    evidence = {
        "a question": marks & QUESTIONS,
        "an exclamation": marks & EXCLAMATIONS,
        "a number": any(mark.isdigit() for mark in marks),
    }
    return [reason for reason, is_present in evidence.items() if is_present]
