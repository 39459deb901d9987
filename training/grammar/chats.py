"""Chats: a split and a seeded `random.Random` in, one training chat out (messages whose last is the
assistant's).
"""

import random
from dataclasses import dataclass, replace

from deployments.content.brief import Brief, Kind, Length
from deployments.content.platforms import platform, platforms
from deployments.content.prompts import SYSTEM, ChatMessage, messages
from deployments.content.styles import styles, tones
from training.grammar.banks import REQUESTS, WORDS
from training.grammar.edits import edit
from training.grammar.sentences import choose, expand
from training.grammar.topics import Split, Topic, add_article, draw_topic, invent
from training.grammar.writing import Text, write_text

SYSTEMS = (
    SYSTEM,
    SYSTEM,
    SYSTEM,
    "You are a helpful assistant.",
    "You are Nano, a small demo model shipped with Mobula.",
)


@dataclass(frozen=True, slots=True)
class GeneratedChat:
    """One chat; `brief`, `topic` and `text` describe its last answer (None in small talk)."""

    messages: tuple[ChatMessage, ...]
    brief: Brief | None = None
    topic: Topic | None = None
    text: Text | None = None


def draw_chat(rng: random.Random, split: Split = "train") -> GeneratedChat:
    """Draw one chat of any kind."""
    kinds = (draw_product_chat, draw_free_chat, draw_rewrite_chat, draw_edit_chat, draw_small_talk)
    return rng.choices(kinds, weights=(56, 17, 9, 14, 4))[0](rng, split)


def draw_brief(rng: random.Random, split: Split, topic: Topic) -> Brief:
    """Draw a brief for `topic` over all platforms, styles, tones and lengths."""
    site = rng.choice(platforms())
    kind: Kind = (
        "post"
        if rng.random() < (0.55 if site.name in ("linkedin", "facebook") else 0.08)
        else "caption"
    )
    site = site if kind == "caption" or site.max_chars > 1_000 else platform("linkedin")
    lengths: tuple[Length, ...] = ("short", "medium", "long")
    return Brief(
        topic=topic.text,
        platform=site.name,
        style=rng.choice(styles()).name,
        tone=rng.choice(tones()).name,
        length=rng.choices(lengths, weights=(5, 4, 2))[0],
        kind=kind,
        audience=_draw_audience(rng, split) if rng.random() < 0.25 else None,
        keywords=_draw_keywords(rng) if rng.random() < 0.12 else (),
        hashtags=_draw_count(rng, site.max_hashtags),
        emoji=rng.random() < 0.65,
        call_to_action=rng.random() < 0.45,
    )


def draw_product_chat(rng: random.Random, split: Split) -> GeneratedChat:
    """The product's own prompt, with its system message three times out of four."""
    topic = draw_topic(rng, split)
    brief = draw_brief(rng, split, topic)
    text = write_text(rng, brief, topic)
    request = messages(brief)[0 if rng.random() < 0.75 else 1 :]
    return GeneratedChat((*request, _assistant_turn(text)), brief, topic, text)


def draw_free_chat(rng: random.Random, split: Split) -> GeneratedChat:
    """A request in a person's own words; what it leaves open follows the platform's habits."""
    topic = draw_topic(rng, split)
    brief, ask = _draw_free_request(rng, topic)
    text = write_text(rng, brief, topic)
    return GeneratedChat(
        (*_draw_system(rng), {"role": "user", "content": ask}, _assistant_turn(text)),
        brief,
        topic,
        text,
    )


def draw_rewrite_chat(rng: random.Random, split: Split) -> GeneratedChat:
    """A plain draft to rewrite, asked for by the product's prompt or in a person's own words."""
    topic = draw_topic(rng, split)
    draft = expand(rng, choose(rng, REQUESTS.drafts, topic), topic)
    if rng.random() < 0.65:
        brief = replace(draw_brief(rng, split, topic), draft=draft)
        request = messages(brief if rng.random() < 0.3 else replace(brief, topic=""))
    else:
        brief, _ = _draw_free_request(rng, topic)
        request = [
            *_draw_system(rng),
            {
                "role": "user",
                "content": _fill_request(rng.choice(REQUESTS.rewrites), brief, topic).replace(
                    "{draft}", draft
                ),
            },
        ]
    text = write_text(rng, brief, topic)
    return GeneratedChat((*request, _assistant_turn(text)), brief, topic, text)


def draw_edit_chat(rng: random.Random, split: Split) -> GeneratedChat:
    """A first answer, then one or two follow-up wishes that change it."""
    sample = draw_product_chat(rng, split) if rng.random() < 0.4 else draw_free_chat(rng, split)
    brief, topic, text, messages_so_far = sample.brief, sample.topic, sample.text, sample.messages
    for _ in range(rng.choice((1, 1, 2))):
        assert brief is not None and topic is not None and text is not None  # noqa: PT018
        wish, brief, topic, text = edit(rng, brief, topic, text, draw_topic(rng, split))
        messages_so_far = (
            *messages_so_far,
            {"role": "user", "content": _fill_request(wish, brief, topic)},
            _assistant_turn(text),
        )
    return GeneratedChat(messages_so_far, brief, topic, text)


def draw_small_talk(rng: random.Random, split: Split) -> GeneratedChat:
    """A greeting, a question about the model, or a question it must decline."""
    talk = rng.choices(REQUESTS.small_talk, weights=(2, 1, 4, 4))[0]
    question = rng.choice(talk.questions)
    return GeneratedChat(
        (
            *_draw_system(rng),
            {"role": "user", "content": question},
            {"role": "assistant", "content": rng.choice(talk.answers)},
        )
    )


def _assistant_turn(text: Text) -> ChatMessage:
    return {"role": "assistant", "content": text.render()}


def _draw_system(rng: random.Random) -> tuple[ChatMessage, ...]:
    return ({"role": "system", "content": rng.choice(SYSTEMS)},) if rng.random() < 0.45 else ()


def _draw_free_request(rng: random.Random, topic: Topic) -> tuple[Brief, str]:
    site = rng.choices(platforms(), weights=[5, 4, 2, 2, 2, 1, 1, 1])[0]
    template = rng.choice(REQUESTS.captions)
    site = site if "platform" in template else platform("instagram")
    kind: Kind = "post" if site.name == "linkedin" and rng.random() < 0.6 else "caption"
    style = (
        rng.choice(styles()).name
        if "style" in template
        else rng.choice(("casual", "promotional", "playful"))
    )
    count, shows = min(site.usual_hashtags, 3), site.usual_emoji
    wishes = []
    if rng.random() < 0.2:
        count = _draw_count(rng, site.max_hashtags)
        wishes.append(
            f"with {count} hashtag{'' if count == 1 else 's'}" if count else "without hashtags"
        )
    if rng.random() < 0.15:
        shows = rng.random() < 0.5
        wishes.append("with emoji" if shows else "no emoji")
    length: Length = "short" if "short" in template else rng.choice(("short", "short", "medium"))
    brief = Brief(
        topic.text,
        site.name,
        style,
        rng.choice(tones()).name,
        length,
        kind,
        hashtags=count,
        emoji=shows,
        call_to_action=rng.random() < 0.3,
    )
    ask = _fill_request(template, brief, topic)
    return brief, ", ".join([ask, *wishes]) + (
        rng.choice(("", "", ".")) if ask[-1].isalnum() else ""
    )


def _fill_request(template: str, brief: Brief, topic: Topic) -> str:
    """Fill the slots of a request: plain replacement, since topics may hold braces."""
    noun = "post" if brief.kind == "post" else "caption"
    label = platform(brief.platform).label
    slots = {
        "a_style_up": add_article(brief.style).capitalize(),
        "a_style": add_article(brief.style),
        "a_platform": add_article(label),
        "a_tone": add_article(brief.tone),
        "style": brief.style,
        "platform": label,
        "tone": brief.tone,
        "noun": noun,
        "n": str(brief.hashtags),
        "t2": topic.text,
        "t": topic.text,
    }
    for slot, value in slots.items():
        template = template.replace("{" + slot + "}", value)
    return template


def _draw_audience(rng: random.Random, split: Split) -> str:
    known = rng.choice(WORDS.audiences)
    return (
        known
        if rng.random() < 0.7
        else rng.choice((f"{invent(rng, split)} {known}", f"{invent(rng, split)}s", f"new {known}"))
    )


def _draw_keywords(rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(WORDS.keywords, rng.randint(1, 3)))


def _draw_count(rng: random.Random, most: int) -> int:
    return min(most, rng.choices(range(11), weights=(22, 10, 14, 22, 8, 12, 4, 3, 2, 1, 2))[0])
