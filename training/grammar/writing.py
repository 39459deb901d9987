"""Writing: a brief and a topic in, a `Text` out that obeys the brief (length, platform, hashtags,
emoji, call to action).
"""

import random
from dataclasses import dataclass, replace

from deployments.content.brief import Brief
from deployments.content.platforms import platform
from training.grammar.banks import PHRASES, SENTENCES, STYLES
from training.grammar.sentences import choose, expand
from training.grammar.topics import Topic

_SENTENCES = {"short": (1, 2), "medium": (3, 4), "long": (5, 7)}
_PARAGRAPHS = {"short": 2, "medium": 3, "long": 4}
_INLINE = ("x", "threads", "tiktok")


@dataclass(frozen=True, slots=True)
class Text:
    """A finished text in parts: paragraphs of sentences (the first names the topic), emoji and
    hashtags without "#".
    """

    paragraphs: tuple[tuple[str, ...], ...]
    emoji: tuple[str, ...]
    hashtags: tuple[str, ...]
    inline: bool

    def render(self) -> str:
        """Return the text as it is posted: one emoji after the first sentence, the rest at the end,
        then the hashtags.
        """
        rows = [" ".join(paragraph) for paragraph in self.paragraphs]
        if self.emoji:
            first = self.paragraphs[0][0]
            rows[0] = f"{first} {self.emoji[0]}{rows[0][len(first) :]}"
            rows[-1] = f"{rows[-1]} {''.join(self.emoji[1:])}".rstrip()
        body = "\n\n".join(rows)
        tags = " ".join(f"#{tag}" for tag in self.hashtags)
        return f"{body}{' ' if self.inline else chr(10) * 2}{tags}" if tags else body


def write_text(rng: random.Random, brief: Brief, topic: Topic) -> Text:
    """Write a text for `brief`; optional sentences are dropped until the platform's limit holds."""
    text = Text(
        _write_post(rng, brief, topic)
        if brief.kind == "post"
        else _write_caption(rng, brief, topic),
        draw_emoji(rng, brief, topic),
        draw_hashtags(rng, brief, topic),
        brief.platform in _INLINE,
    )
    limit = platform(brief.platform).max_chars
    while len(text.render()) > limit:
        text = replace(text, paragraphs=_drop_sentence(text.paragraphs))
    return text


def draw_emoji(rng: random.Random, brief: Brief, topic: Topic) -> tuple[str, ...]:
    """Draw one to three emoji that suit style and domain, or none where the brief has them off."""
    if not brief.emoji:
        return ()
    pool = [*PHRASES.emoji[brief.style], *(PHRASES.emoji[topic.domain] if topic.domain else ())]
    return tuple(rng.sample(pool, rng.choices((1, 2, 3), weights=(6, 4, 1))[0]))


def draw_hashtags(rng: random.Random, brief: Brief, topic: Topic) -> tuple[str, ...]:
    """Draw exactly `brief.hashtags` different hashtags: of the topic's known words, its domain, the
    style and the platform.
    """
    own = [tag for tag in topic.tags[:1] if rng.random() < 0.6]
    domain = list(PHRASES.domain_tags[topic.domain]) if topic.domain else []
    style = list(PHRASES.style_tags[brief.style])
    usual = list(PHRASES.platform_tags[brief.platform])
    for pool in (domain, style, usual):
        rng.shuffle(pool)
    rest = [tag for group in PHRASES.style_tags.values() for tag in group]
    ordered = dict.fromkeys(
        [*own, *domain[:2], *style[:2], *usual[:1], *domain[2:], *style[2:], *usual[1:], *rest]
    )
    return tuple(list(ordered)[: brief.hashtags])


def draw_question(rng: random.Random, brief: Brief, topic: Topic) -> str:
    """Return a question in the brief's style."""
    return expand(rng, choose(rng, STYLES[brief.style].questions, topic), topic)


def draw_call(rng: random.Random, brief: Brief, topic: Topic) -> str:
    """Return a call to action that suits the platform."""
    bank = SENTENCES.platform_calls[brief.platform] if rng.random() < 0.65 else SENTENCES.any_calls
    return expand(rng, rng.choice(bank), topic)


def draw_lines(rng: random.Random, brief: Brief, topic: Topic, count: int) -> list[str]:
    """Return `count` different sentences that may follow a hook."""
    bank = STYLES[brief.style].lines
    chosen = rng.sample(bank, min(count, len(bank)))
    if count > 1 and rng.random() < 0.5:
        chosen[rng.randrange(1, len(chosen))] = choose(rng, SENTENCES.mentions, topic)
    return [expand(rng, template, topic) for template in chosen]


def _required_sentences(rng: random.Random, brief: Brief, topic: Topic) -> list[str]:
    """Sentences that the brief requires: audience and keywords."""
    out = []
    if brief.audience:
        out.append(
            expand(rng, rng.choice(SENTENCES.audiences), topic, {"audience": brief.audience})
        )
    if brief.keywords:
        slots = {f"k{i + 1}": word for i, word in enumerate(brief.keywords)}
        out.append(expand(rng, rng.choice(SENTENCES.keywords[len(brief.keywords)]), topic, slots))
    rng.shuffle(out)
    return out


def _tone_sentence(rng: random.Random, brief: Brief, topic: Topic) -> str:
    return expand(rng, rng.choice(SENTENCES.tones[brief.tone]), topic)


def _write_caption(rng: random.Random, brief: Brief, topic: Topic) -> tuple[tuple[str, ...], ...]:
    total = rng.randint(*_SENTENCES[brief.length])
    hook = expand(rng, choose(rng, STYLES[brief.style].hooks, topic, opening=True), topic)
    tail = [draw_call(rng, brief, topic)] if brief.call_to_action else []
    middle = _required_sentences(rng, brief, topic)
    if (
        brief.length != "short"
        and rng.random() < 0.75
        or total == 2
        and not middle
        and rng.random() < 0.5
    ):
        middle.append(_tone_sentence(rng, brief, topic))
    if rng.random() < 0.3 and total > 1:
        tail.insert(0, draw_question(rng, brief, topic))
    need = total - 1 - len(middle) - len(tail)
    if need > 0:
        middle = [*draw_lines(rng, brief, topic, need), *middle]
    if (
        brief.length == "long"
        and len(middle) > 2
        and brief.platform not in _INLINE
        and rng.random() < 0.4
    ):
        cut = rng.randint(1, len(middle) - 1)
        return ((hook, *middle[:cut]), (*middle[cut:], *tail))
    return ((hook, *middle, *tail),)


def _write_post(rng: random.Random, brief: Brief, topic: Topic) -> tuple[tuple[str, ...], ...]:
    hooks = SENTENCES.post_openers if rng.random() < 0.55 else STYLES[brief.style].hooks
    first = [
        expand(rng, choose(rng, hooks, topic, opening=True), topic),
        *draw_lines(rng, brief, topic, 1),
    ]
    paragraphs = [tuple(first)]
    bodies = rng.sample(SENTENCES.post_bodies, 4)
    for index in range(_PARAGRAPHS[brief.length] - 2):
        if rng.random() < 0.3 and index == 1:
            paragraphs.append((_write_list(rng, topic),))
            continue
        body = [expand(rng, bodies[index], topic)]
        body += draw_lines(rng, brief, topic, rng.randint(1, 2))[-1:]
        paragraphs.append(tuple(body))
    last = [*_required_sentences(rng, brief, topic)]
    last.append(
        _tone_sentence(rng, brief, topic)
        if rng.random() < 0.6
        else expand(rng, choose(rng, SENTENCES.post_closers, topic), topic)
    )
    if rng.random() < 0.4:
        last.append(draw_question(rng, brief, topic))
    if brief.call_to_action:
        last.append(draw_call(rng, brief, topic))
    return (*paragraphs, tuple(last))


def _write_list(rng: random.Random, topic: Topic) -> str:
    items = [expand(rng, item, topic) for item in rng.sample(SENTENCES.list_items, 3)]
    return "\n".join([rng.choice(SENTENCES.list_headings), *(f"- {item}" for item in items)])


def _drop_sentence(paragraphs: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Drop the second sentence of the longest paragraph (the hook and the end stay)."""
    index = max(range(len(paragraphs)), key=lambda i: (len(paragraphs[i]), -i))
    row = paragraphs[index]
    shorter = (row[0], *row[2:]) if len(row) > 1 else ()
    return (
        tuple(p for i, p in enumerate(paragraphs) if i != index or shorter)
        if not shorter
        else (*paragraphs[:index], shorter, *paragraphs[index + 1 :])
    )
