"""Banks: the sentences and words of the grammar, decoded once from the JSON files of `data/`.

A sentence is a template. A leading "~" marks one that reads well with a topic of any shape, one
without an article included; {t} is the topic, {T} the same with a capital, and {is}, {has}, {s},
{it} and {obj} agree with its number. {moment}, {people} ... draw from `PHRASES.symbols`, where
phrases may nest. The order of entries and repeated entries decide what a seed draws.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

_DATA = Path(__file__).with_name("data")
_Value = TypeVar("_Value")

Strings = tuple[str, ...]
Groups = dict[str, Strings]  # by domain, style, tone or platform


@dataclass(frozen=True, slots=True)
class SentenceBank:
    """One style's sentences: `hooks` open a text and name the topic, `lines` carry it on."""

    hooks: Strings
    lines: Strings
    questions: Strings


@dataclass(frozen=True, slots=True)
class SharedSentences:
    """Sentences that depend on the tone, the platform or the brief rather than on the style."""

    tones: Groups
    platform_calls: Groups  # calls to action
    any_calls: Strings
    audiences: Strings
    keywords: dict[int, Strings]  # by the number of keywords
    mentions: Strings
    post_openers: Strings
    post_bodies: Strings
    list_headings: Strings
    list_items: Strings
    post_closers: Strings


@dataclass(frozen=True, slots=True)
class Phrases:
    """What any style may use inside a sentence, and emoji and hashtags."""

    symbols: Groups
    emoji: Groups  # by style and by domain
    style_tags: Groups
    platform_tags: Groups
    domain_tags: Groups


@dataclass(frozen=True, slots=True)
class TopicWords:
    """What topics are made of. Nouns carry a domain, which decides the hashtags that suit them."""

    nouns: Groups
    plurals: Groups
    gerunds: Groups
    adjectives: Strings
    places: Strings
    endings: Strings
    first_names: Strings
    business_nouns: Strings
    onsets: Strings
    vowels: Strings
    codas: Strings
    audiences: Strings
    keywords: Strings
    signs: Strings


@dataclass(frozen=True, slots=True)
class SmallTalk:
    """Questions of one kind, and the answers to any of them."""

    questions: Strings
    answers: Strings


@dataclass(frozen=True, slots=True)
class Requests:
    """Ways to ask: for a caption, for a draft to be rewritten, for a change; and small talk."""

    captions: Strings
    drafts: Strings
    rewrites: Strings
    edits: Groups
    small_talk: tuple[SmallTalk, ...]


def _load(name: str, kind: type[_Value]) -> _Value:
    return msgspec.json.decode((_DATA / f"{name}.json").read_bytes(), type=kind)


STYLES = _load("styles", dict[str, SentenceBank])
SENTENCES = _load("sentences", SharedSentences)
PHRASES = _load("phrases", Phrases)
WORDS = _load("words", TopicWords)
REQUESTS = _load("requests", Requests)


@cache
def vocabulary() -> Strings:
    """Return plain English words of three letters or more, each once, sorted and in lower case:
    those of vocabulary.txt and those of the banks. Topics are varied with them, so that no phrase
    of a topic can be guessed, only copied.
    """
    texts = [text for bank in STYLES.values() for text in (*bank.hooks, *bank.lines)]
    texts += [text for bank in STYLES.values() for text in bank.questions]
    groups = (WORDS.nouns, WORDS.plurals, WORDS.gerunds, PHRASES.symbols, SENTENCES.tones)
    texts += [text for group in groups for bank in group.values() for text in bank]
    texts += [*WORDS.adjectives, *WORDS.places, *WORDS.endings, *WORDS.audiences, *WORDS.keywords]
    texts += [*REQUESTS.captions, *SENTENCES.post_bodies]
    words = re.findall(r"(?<![{\w])[a-z]{3,}(?![}\w])", " ".join(texts).lower())
    return tuple(sorted({*(_DATA / "vocabulary.txt").read_text().split(), *words}))


@cache
def subwords() -> tuple[Strings, Strings]:
    """Return the subwords of nano's tokenizer that begin a word, and those that continue one:
    made-up words exercise each of them.
    """
    first, rest = (_DATA / "subwords.txt").read_text().split("\n\n")
    return tuple(first.split()), tuple(rest.split())
