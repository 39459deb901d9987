"""Edits: a finished text and a wish in, the changed text out."""

import random
from dataclasses import replace

from deployments.content.brief import Brief
from deployments.content.platforms import platforms
from deployments.content.styles import styles, tones
from training.grammar.banks import REQUESTS, SENTENCES
from training.grammar.sentences import expand
from training.grammar.topics import Topic
from training.grammar.writing import (
    Text,
    draw_call,
    draw_emoji,
    draw_hashtags,
    draw_lines,
    draw_question,
    write_text,
)

Edited = tuple[str, Brief, Topic, Text]


def edit(rng: random.Random, brief: Brief, topic: Topic, text: Text, other: Topic) -> Edited:
    """Draw a wish that fits `brief` and return its template with the brief, topic and text it leads
    to.
    """
    kinds = ["style", "tone", "question", "again", "topic", "platform", "shorter"]
    kinds += ["no hashtags"] if brief.hashtags else ["add hashtags"]
    kinds += ["no emoji"] if brief.emoji else ["add emoji"]
    kinds += [] if brief.call_to_action else ["call"]
    kinds += ["longer"] if len(text.render()) < 180 and brief.length != "long" else []
    kind = rng.choice(kinds)
    brief, topic, text = _apply(rng, kind, brief, topic, text, other)
    return rng.choice(REQUESTS.edits[kind]), brief, topic, text


def _apply(
    rng: random.Random, kind: str, brief: Brief, topic: Topic, text: Text, other: Topic
) -> tuple[Brief, Topic, Text]:
    if kind in ("style", "platform", "topic", "again"):
        return _rewrite(rng, kind, brief, topic, other)
    if kind == "shorter":
        return (
            replace(brief, length="short", kind="caption", call_to_action=False),
            topic,
            replace(text, paragraphs=((text.paragraphs[0][0],),)),
        )
    if kind == "longer":
        return (
            replace(brief, length="medium"),
            topic,
            _add_sentences(brief, text, draw_lines(rng, brief, topic, 2)),
        )
    if kind == "tone":
        brief = replace(brief, tone=rng.choice(tones()).name)
        return (
            brief,
            topic,
            _add_sentences(
                brief, text, [expand(rng, rng.choice(SENTENCES.tones[brief.tone]), topic)]
            ),
        )
    if kind == "question":
        return brief, topic, _add_sentences(brief, text, [draw_question(rng, brief, topic)])
    if kind == "call":
        return (
            replace(brief, call_to_action=True),
            topic,
            _add_sentences(brief, text, [draw_call(rng, brief, topic)]),
        )
    return _edit_marks(rng, kind, brief, topic, text)


def _rewrite(
    rng: random.Random, kind: str, brief: Brief, topic: Topic, other: Topic
) -> tuple[Brief, Topic, Text]:
    if kind == "style":
        brief = replace(
            brief, style=rng.choice([s.name for s in styles() if s.name != brief.style])
        )
    elif kind == "platform":
        site = rng.choice([p for p in platforms() if p.name != brief.platform])
        brief = replace(
            brief,
            platform=site.name,
            kind="caption",
            hashtags=min(brief.hashtags, site.max_hashtags),
        )
    elif kind == "topic":
        topic = other
        brief = replace(brief, topic=other.text)
    return brief, topic, write_text(rng, brief, topic)


def _edit_marks(
    rng: random.Random, kind: str, brief: Brief, topic: Topic, text: Text
) -> tuple[Brief, Topic, Text]:
    if kind == "no hashtags":
        return replace(brief, hashtags=0), topic, replace(text, hashtags=())
    if kind == "no emoji":
        return replace(brief, emoji=False), topic, replace(text, emoji=())
    if kind == "add emoji":
        brief = replace(brief, emoji=True)
        return brief, topic, replace(text, emoji=draw_emoji(rng, brief, topic))
    brief = replace(brief, hashtags=1 if brief.platform == "threads" else rng.randint(1, 5))
    return brief, topic, replace(text, hashtags=draw_hashtags(rng, brief, topic))


def _add_sentences(brief: Brief, text: Text, sentences: list[str]) -> Text:
    """Add `sentences` to the last paragraph, unless they stand there already."""
    last = text.paragraphs[-1]
    new = tuple(sentence for sentence in sentences if sentence not in last)
    return replace(text, paragraphs=(*text.paragraphs[:-1], (*last, *new)))
