"""Topics: noun phrases with their grammar, from real words, invented words and names.

In: a seeded `random.Random` and a split. Out: a `Topic`. A hash of its text decides whether a topic
is for training or held out, so that none is ever both; the entries of the topic banks and the
invented words are divided in the same way. Only the plain words of `vocabulary` are shared.
"""

import random
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from training.grammar.banks import WORDS, subwords, vocabulary

Split = Literal["train", "held-out"]
Number = Literal["one", "many", "bare"]

_HELD_OUT_OF = 8
_RUDE_PARTS = (
    "fuc",
    "fuk",
    "shit",
    "cunt",
    "nig",
    "fag",
    "rape",
    "slut",
    "whor",
    "dick",
    "cock",
    "tit",
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A noun phrase: `number` picks verbs and pronouns ("bare" has no article and is only ever
    quoted as a label).

    `opens` says whether it may open a text, `domain` is None for invented subjects, `tags` are
    hashtags made of its words.
    """

    text: str
    number: Number
    opens: bool
    domain: str | None
    tags: tuple[str, ...] = ()


def split_of(word: str) -> Split:
    """Return the side of the split that a bank entry or an invented word belongs to (1 in 8 is held
    out).
    """
    return "held-out" if zlib.crc32(word.lower().encode()) % _HELD_OUT_OF == 0 else "train"


def draw_topic(rng: random.Random, split: Split = "train") -> Topic:
    """Draw one topic whose text is on the given side of the split."""
    makers = (
        _draw_known,
        _draw_plural,
        _draw_gerund,
        _draw_bare,
        _draw_name,
        _draw_invented,
        _draw_mixed,
        _draw_shuffled,
    )
    while True:
        maker = rng.choices(makers, weights=(20, 8, 7, 8, 11, 11, 11, 40))[0]
        topic = vary(rng, maker(rng, split), split)
        if split_of(topic.text) == split:
            return topic


def pick(rng: random.Random, bank: tuple[str, ...], split: Split, ending: str = "") -> str:
    """Draw an entry of `bank` on the given side of the split.

    Where that side is empty it is an invented word with `ending`.
    """
    side = _bank_of_split(bank, split)
    return rng.choice(side) if side else invent(rng, split) + ending


def invent(rng: random.Random, split: Split) -> str:
    """Make up a pronounceable lower-case word of one to three syllables on the given side of the
    split.
    """
    while True:
        if rng.random() < 0.65:
            word = _splice(rng)
            if _is_usable(word) and split_of(word) == split:
                return word
            continue
        syllables = rng.choices((1, 2, 3), weights=(2, 6, 3))[0]
        plain = WORDS.vowels[:12] if rng.random() < 0.94 else WORDS.vowels
        word = "".join(
            rng.choice(WORDS.onsets)
            + rng.choice(plain)
            + (rng.choice(WORDS.codas) if i == syllables - 1 else "")
            for i in range(syllables)
        )
        if _is_usable(word) and split_of(word) == split:
            return word


def _is_usable(word: str) -> bool:
    return len(word) > 2 and not any(rude in word for rude in _RUDE_PARTS)


def vary(rng: random.Random, topic: Topic, split: Split) -> Topic:
    """Replace up to two words after the first in half of the topics; these have no tags."""
    parts = topic.text.split(" ")
    if len(parts) < 2 or rng.random() < 0.5:
        return topic
    for index in rng.sample(range(1, len(parts)), min(len(parts) - 1, rng.choice((1, 1, 2)))):
        known = rng.random() < 0.45
        new = rng.choice(vocabulary()) if known else invent(rng, split)
        parts[index] = new.capitalize() if parts[index][:1].isupper() else new
    return replace(topic, text=" ".join(parts), domain=None, tags=())


@cache
def _bank_of_split(bank: tuple[str, ...], split: Split) -> tuple[str, ...]:
    return tuple(word for word in bank if split_of(word) == split)


def _splice(rng: random.Random) -> str:
    """Parts of English words, or subwords, in one: "kuberpress", "surprisle"."""
    if rng.random() < 0.2:
        first, last = rng.choice(vocabulary()), rng.choice(vocabulary())
        return first[: rng.randint(2, max(2, len(first) - 1))] + last[-rng.randint(2, 5) :]
    begin, go_on = subwords()
    count = rng.choices((0, 1, 2), weights=(3, 4, 2))[0]
    return rng.choice(begin).lower() + "".join(rng.choice(go_on) for _ in range(count))


def camel_case(phrase: str) -> str:
    """Return `phrase` as a CamelCase hashtag body: "cold brew" -> "ColdBrew"."""
    return "".join(
        part[:1].upper() + part[1:] for part in phrase.replace("-", " ").replace("'", "").split()
    )


def add_article(phrase: str) -> str:
    """Return `phrase` with "a" or "an", by its first letter."""
    return ("an " if phrase[0].lower() in "aeio" or phrase == "X" else "a ") + phrase


def _draw_noun(rng: random.Random, split: Split) -> tuple[str, str]:
    domain = rng.choice(tuple(WORDS.nouns))
    return pick(rng, WORDS.nouns[domain], split), domain


def _draw_ending(rng: random.Random, split: Split) -> str:
    roll = rng.random()
    place, ending = pick(rng, WORDS.places, split), pick(rng, WORDS.endings, split)
    one, two = rng.choice(vocabulary()), rng.choice(vocabulary())
    if roll < 0.06:
        return f" with {one} {two} and {invent(rng, split)} {_draw_noun(rng, split)[0]} {place}"
    if roll < 0.22:
        name = invent(rng, split).capitalize()
        made = (f"for {one} {two}s", f"in {name}", f"on {name} Street", f"with {one} and {two}")
        return " " + rng.choice(
            (*made, f"at the {one} {two}", f"by {name}", f"from {one} to {two}")
        )
    if roll < 0.27:
        return f" {place} {ending}"
    if roll < 0.36:
        return f" {place}"
    return f" {ending}" if roll < 0.45 else ""


def _add_determiner(rng: random.Random, phrase: str) -> str:
    return rng.choice(
        (add_article(phrase), f"our {phrase}", f"the {phrase}", f"my {phrase}", f"this {phrase}")
    )


def _draw_known(rng: random.Random, split: Split) -> Topic:
    noun, domain = _draw_noun(rng, split)
    head = f"{pick(rng, WORDS.adjectives, split)} {noun}" if rng.random() < 0.65 else noun
    return Topic(
        _add_determiner(rng, head) + _draw_ending(rng, split),
        "one",
        True,
        domain,
        (camel_case(noun), camel_case(head)),
    )


def _draw_plural(rng: random.Random, split: Split) -> Topic:
    domain = rng.choice(tuple(WORDS.plurals))
    noun = pick(rng, WORDS.plurals[domain], split, "s")
    head = f"{pick(rng, WORDS.adjectives, split)} {noun}" if rng.random() < 0.5 else noun
    lead = rng.choice(("", "", "our ", "these "))
    return Topic(
        lead + head + _draw_ending(rng, split),
        "many",
        bool(lead),
        domain,
        (camel_case(noun), camel_case(head)),
    )


def _draw_gerund(rng: random.Random, split: Split) -> Topic:
    domain = rng.choice(tuple(WORDS.gerunds))
    phrase = pick(rng, WORDS.gerunds[domain], split, "ing")
    return Topic(
        phrase + _draw_ending(rng, split),
        "one",
        False,
        domain,
        (camel_case(phrase),) if phrase.count(" ") < 2 else (),
    )


def _draw_bare(rng: random.Random, split: Split) -> Topic:
    noun, domain = _draw_noun(rng, split)
    adjective = pick(rng, WORDS.adjectives, split) if rng.random() < 0.6 else invent(rng, split)
    text = rng.choice(
        (f"{adjective} {noun}", noun, f"{noun} opening", f"{adjective} {noun} launch")
    )
    text = text.title() if rng.random() < 0.1 else text
    return Topic(text + _draw_ending(rng, split), "bare", False, domain, (camel_case(noun),))


def _draw_name(rng: random.Random, split: Split) -> Topic:
    first = invent(rng, split).capitalize()
    kind = rng.randrange(7)
    if kind == 0:
        return Topic(f"{first} {pick(rng, WORDS.business_nouns, split)}", "one", False, None)
    if kind == 1:
        return Topic(f"{pick(rng, WORDS.first_names, split)} {first}", "one", False, None)
    if kind == 2:
        return Topic(f"{first} {invent(rng, split).capitalize()}", "one", False, None)
    if kind == 3:
        return Topic(f"{first} {rng.randint(2, 3000)}", "one", False, None)
    if kind == 4:
        owner = pick(rng, WORDS.first_names, split)
        noun, domain = _draw_noun(rng, split)
        return Topic(
            f"{owner}'s {pick(rng, WORDS.adjectives, split)} {noun}",
            "one",
            False,
            domain,
            (camel_case(noun),),
        )
    if kind == 5:
        return Topic(f"{first}{pick(rng, WORDS.business_nouns, split)}", "one", False, None)
    return Topic(first.upper() if rng.random() < 0.2 else first, "one", False, None)


def _draw_invented(rng: random.Random, split: Split) -> Topic:
    count = rng.choices((1, 2, 3), weights=(5, 5, 2))[0]
    phrase = " ".join(invent(rng, split) for _ in range(count))
    roll = rng.random()
    if roll < 0.25:
        return Topic(phrase + _draw_ending(rng, split), "bare", False, None)
    if roll < 0.4:
        return Topic(f"{phrase}ing" + _draw_ending(rng, split), "one", False, None)
    if roll < 0.5:
        return Topic(f"our {phrase}s" + _draw_ending(rng, split), "many", True, None)
    return Topic(_add_determiner(rng, phrase) + _draw_ending(rng, split), "one", True, None)


def _draw_mixed(rng: random.Random, split: Split) -> Topic:
    """An invented brand before a real noun: "the Brivok coffee shop"."""
    noun, domain = _draw_noun(rng, split)
    brand = invent(rng, split)
    head = f"{brand.capitalize() if rng.random() < 0.6 else brand} {noun}"
    return Topic(
        _add_determiner(rng, head) + _draw_ending(rng, split),
        "one",
        True,
        domain,
        (camel_case(noun),),
    )


def _draw_shuffled(rng: random.Random, split: Split) -> Topic:
    """Two to six unrelated words: nothing but copying gets them right."""
    parts = []
    for _ in range(rng.randint(2, 7)):
        makers = (rng.choice(vocabulary()), invent(rng, split), pick(rng, WORDS.first_names, split))
        parts.append(rng.choices(makers, weights=(4, 10, 2))[0])
    if rng.random() < 0.4:
        parts.insert(
            rng.randint(1, len(parts)),
            rng.choice(WORDS.signs).replace("9", str(rng.randint(1, 99))),
        )
    text = " ".join(parts)
    return Topic(text if rng.random() < 0.5 else f"the {text}", "bare", False, None)
