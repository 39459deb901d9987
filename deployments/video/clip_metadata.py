"""Words to publish a clip with: a title, a description, hashtags; and which clip comes first.

Flows in: what is said in the clip, and for whom it is made. Flows out: ClipText, by a template from
the clip's own words, or written by a text model through the same gate, limiter and cache as any
request of that tenant; `generated_by` says which. The model that ships with Mobula is too small to
sum a talk up, so it is asked only if the operator says so (graphs/video.py).
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from cluster.runtime.problems import Problem
from deployments.content.cleanup import extract_hashtags
from deployments.contracts.clips import ClipMetadata, Highlight
from deployments.video.keywords import COMMON, keywords_of
from deployments.video.ranking import rerank

TEMPLATE = "template"
MAX_TITLE, MAX_TOPIC, MAX_TAGS = 80, 160, 5
MAX_DESCRIPTION = 300
MAX_SAID = 20_000
_SENTENCE_END = re.compile(r"[.!?…。！？](?=\s)")
_WORD = re.compile(r"[^\W\d_][\w'-]{3,}")

log = logging.getLogger("mobula.clipper")


class TextWriter(Protocol):
    """The text model, as one tenant's caller (deployments/clients/serve/text_client.py). Raises
    Problems."""

    async def caption(
        self, tenant: str, holder: str, topic: str, seed: int
    ) -> Mapping[str, Any]: ...

    async def ask(self, tenant: str, holder: str, prompt: str) -> str: ...


def topic_of(text: str, keywords: tuple[str, ...] = ()) -> str:
    """The words that say most of what the text is about, in the order in which they come."""
    words = [word.lower() for word in _WORD.findall(text)]
    counts = Counter(word for word in words if word not in COMMON)
    wanted = {word.lower() for word in keywords}
    first = {word: place for place, word in reversed(list(enumerate(words)))}
    ranked = sorted(counts, key=lambda word: (word not in wanted, -counts[word], first[word]))
    chosen = sorted(ranked[:4], key=first.__getitem__)
    return " ".join(chosen)[:MAX_TOPIC]


def title_of(text: str, name: str, number: int) -> str:
    """The clip's first sentence, shortened between words; without one, the recording's name."""
    first = re.split(r"(?<=[.!?…。！？])\s", text.strip(), maxsplit=1)[0]
    if not first:
        return f"{name.rpartition('.')[0] or name}, part {number}"[:MAX_TITLE]
    if len(first) <= MAX_TITLE:
        return first
    return first[: MAX_TITLE - 1].rsplit(" ", 1)[0].rstrip(",;: ") + "…"


def metadata_from_template(text: str, name: str, number: int) -> ClipMetadata:
    """Made of nothing but the clip's own words."""
    tags = tuple(f"#{word}" for word in keywords_of(text)[:MAX_TAGS])
    return ClipMetadata(title_of(text, name, number), description_of(text), tags, TEMPLATE)


def description_of(text: str) -> str:
    """The beginning of what is said: whole sentences, or else whole words and an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= MAX_DESCRIPTION:
        return text
    part = text[: MAX_DESCRIPTION - 1]
    ends = [found.end() for found in _SENTENCE_END.finditer(part)]
    if ends and ends[-1] > MAX_DESCRIPTION // 3:
        return part[: ends[-1]].rstrip()
    return (part.rsplit(" ", 1)[0] if " " in part else part).rstrip(",;: ") + "…"


class ClipMetadataWriter:
    """`writer` None: no text model is asked."""

    def __init__(self, writer: TextWriter | None) -> None:
        self._writer = writer

    async def describe(
        self,
        tenant: str,
        holder: str,
        clip: Highlight,
        text: str,
        name: str,
        number: int,
        seed: int,
    ) -> ClipMetadata:
        """Never fails: where the model does, the template writes, and `detail` says why. Of `text`,
        its first MAX_SAID characters are looked at: this runs on the loop."""
        text = text[:MAX_SAID]
        plain = metadata_from_template(text or clip.excerpt, name, number)
        topic = topic_of(text or clip.excerpt)
        if self._writer is None or not topic:
            return plain
        try:
            answer = await self._writer.caption(tenant, holder, topic, seed)
        except Problem as problem:
            log.info("a clip's text falls back to the template: %s", problem.slug)
            return ClipMetadata(
                plain.title, plain.description, plain.hashtags, TEMPLATE, {"why": problem.slug}
            )
        return _written(answer, plain, topic)

    async def ordered(
        self, tenant: str, holder: str, clips: Sequence[Highlight]
    ) -> tuple[Highlight, ...]:
        """In the order that the text model prefers. Never fails: without an answer, as they are."""
        if self._writer is None:
            return tuple(clips)
        try:
            return await rerank(clips, partial(self._writer.ask, tenant, holder))
        except Problem as problem:
            log.info("clips keep the order of their scores: %s", problem.slug)
            return tuple(clips)


def _written(answer: Mapping[str, Any], plain: ClipMetadata, topic: str) -> ClipMetadata:
    text = str(answer["variants"][0]["text"])
    tags = tuple(f"#{tag}" for tag in extract_hashtags(text))[:MAX_TAGS] or plain.hashtags
    body = re.sub(r"(?:(?<!\s)\s+)?#\w+", "", text).strip()
    return ClipMetadata(plain.title, body, tags, str(answer["model"]), {"topic": topic})
