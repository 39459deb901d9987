"""Sentences: a template and a topic in, a finished English sentence out.

Templates expand recursively: `{symbol}` draws from `PHRASES.symbols`, `{symbol_up}` capitalises it,
`{symbol2}` draws a second, different phrase, and {t}, {T}, {is}, {s} ... are set by the topic.
"""

import random
import re
from collections.abc import Iterable, Mapping

from training.grammar.banks import PHRASES
from training.grammar.topics import Topic

_SLOT = re.compile(r"\{(\w+?)(2?)(_up)?\}")
_AGREEMENT = {
    "one": {
        "is": "is",
        "was": "was",
        "has": "has",
        "does": "does",
        "s": "s",
        "es": "es",
        "it": "it",
        "obj": "it",
    },
    "many": {
        "is": "are",
        "was": "were",
        "has": "have",
        "does": "do",
        "s": "",
        "es": "",
        "it": "they",
        "obj": "them",
    },
}


def fits(template: str, topic: Topic, *, opening: bool) -> bool:
    """Tell whether `template` reads well with `topic`; `opening` is True for the first sentence of
    a text or paragraph.
    """
    if template.startswith("~") or "{t}" not in template.lower():
        return True
    if topic.number == "bare":
        return False
    if template.startswith("{T}"):
        return topic.opens or (not opening and topic.text[:1].isupper())
    return True


def expand(
    rng: random.Random, template: str, topic: Topic, extra: Mapping[str, str] | None = None
) -> str:
    """Return `template` with every slot filled; `extra` gives slots of the brief (audience, k1
    ...).
    """
    fixed = {
        "t": topic.text,
        "T": topic.text[:1].upper() + topic.text[1:],
        **_AGREEMENT.get(topic.number, _AGREEMENT["one"]),
    }
    fixed.update(extra or {})
    used: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        name, _, up = match.groups()
        if name in fixed:
            value = fixed[name]
        elif name == "k" or name + (match.group(2) or "") in fixed:
            value = fixed[name + match.group(2)]
        else:
            value = _draw(rng, name, used)
        return value[:1].upper() + value[1:] if up else value

    text = _SLOT.sub(fill, template.removeprefix("~"))
    return text[:1].upper() + text[1:] if not text.startswith(topic.text) else text


def choose(
    rng: random.Random,
    bank: Iterable[str],
    topic: Topic,
    *,
    opening: bool = False,
    taken: Iterable[str] = (),
) -> str:
    """Draw a template of `bank` that suits `topic` and is not in `taken`."""
    seen = set(taken)
    suited = [
        template
        for template in bank
        if template not in seen and fits(template, topic, opening=opening)
    ]
    return rng.choice(suited)


def _draw(rng: random.Random, name: str, used: set[str]) -> str:
    bank = PHRASES.symbols[name]
    options = [phrase for phrase in bank if phrase not in used] or list(bank)
    phrase = rng.choice(options)
    used.add(phrase)
    return _SLOT.sub(lambda match: rng.choice(PHRASES.symbols[match.group(1)]), phrase)
