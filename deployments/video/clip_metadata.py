"""Metadata of a clip: title, description, hashtags; and the text model's order of the clips.

Flows in: the words of a clip, and its tenant. Flows out: ClipMetadata, by a template from the words
themselves, or by a text model through the same admission, limiter and cache as any request of that
tenant; `generated_by` says which. The shipped model is too small to summarise a talk, so it is used
only if the operator enables it (graphs/video.py).
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import regex

from cluster.runtime.problems import Problem
from deployments.content.cleanup import extract_hashtags
from deployments.contracts.clips import ClipMetadata, Highlight
from deployments.video.ranking import rerank

TEMPLATE = "template"
MAX_TITLE, MAX_TOPIC, MAX_TAGS = 80, 160, 5
MAX_DESCRIPTION = 300
MAX_TEXT = 20_000
_SENTENCE_END = re.compile(r"[.!?…。！？](?=\s)")
_WORD = re.compile(r"[^\W\d_][\w'-]{3,}")

log = logging.getLogger("mobula.clipper")


MAX_KEYWORDS = 5
COMMON = frozenset(Path(__file__).with_name("common_words.txt").read_text().split())
SHORTEST, LONGEST = 4, 30
_KEYWORD = regex.compile(r"[\p{L}\p{M}]++(?:['\u2019-][\p{L}\p{M}]++)*+")
_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_MARKS = regex.compile(r"[-'\u2019]")


class TextWriter(Protocol):
    """The text model, called on behalf of a tenant (deployments/clients/serve/text_client.py).
    Raises Problems."""

    async def caption(
        self, tenant: str, holder: str, topic: str, seed: int
    ) -> Mapping[str, Any]: ...

    async def ask(self, tenant: str, holder: str, prompt: str) -> str: ...


def topic_of(text: str, keywords: tuple[str, ...] = ()) -> str:
    """The most frequent telling words, in the order of the text."""
    words = [word.lower() for word in _WORD.findall(text)]
    counts = Counter(word for word in words if word not in COMMON)
    wanted_words = {word.lower() for word in keywords}
    first = {word: index for index, word in reversed(list(enumerate(words)))}
    ranked = sorted(counts, key=lambda word: (word not in wanted_words, -counts[word], first[word]))
    chosen = sorted(ranked[:4], key=first.__getitem__)
    return " ".join(chosen)[:MAX_TOPIC]


def title_of(text: str, name: str, number: int) -> str:
    """The first sentence, shortened between words; for an empty text the recording's name."""
    first = re.split(r"(?<=[.!?…。！？])\s", text.strip(), maxsplit=1)[0]
    if not first:
        return f"{name.rpartition('.')[0] or name}, part {number}"[:MAX_TITLE]
    if len(first) <= MAX_TITLE:
        return first
    return first[: MAX_TITLE - 1].rsplit(" ", 1)[0].rstrip(",;: ") + "…"


def metadata_from_template(text: str, name: str, number: int) -> ClipMetadata:
    """From the clip's own words alone."""
    tags = tuple(f"#{word}" for word in keywords_of(text)[:MAX_TAGS])
    return ClipMetadata(title_of(text, name, number), description_of(text), tags, TEMPLATE)


def description_of(text: str) -> str:
    """The beginning of the text: whole sentences, or else whole words and an ellipsis."""
    text = " ".join(text.split())
    if len(text) <= MAX_DESCRIPTION:
        return text
    part = text[: MAX_DESCRIPTION - 1]
    ends = [match.end() for match in _SENTENCE_END.finditer(part)]
    if ends and ends[-1] > MAX_DESCRIPTION // 3:
        return part[: ends[-1]].rstrip()
    return (part.rsplit(" ", 1)[0] if " " in part else part).rstrip(",;: ") + "…"


class ClipMetadataWriter:
    """`writer` None: no text model."""

    def __init__(self, writer: TextWriter | None) -> None:
        self._writer = writer

    async def describe(
        self,
        tenant: str,
        holder: str,
        highlight: Highlight,
        text: str,
        name: str,
        number: int,
        seed: int,
    ) -> ClipMetadata:
        """Never fails: if the model does, the template is used, and `detail` says why. Reads the
        first MAX_TEXT characters of `text`, because it runs on the event loop."""
        text = text[:MAX_TEXT]
        template = metadata_from_template(text or highlight.excerpt, name, number)
        topic = topic_of(text or highlight.excerpt)
        if self._writer is None or not topic:
            return template
        try:
            answer = await self._writer.caption(tenant, holder, topic, seed)
        except Problem as problem:
            log.info("a clip's text falls back to the template: %s", problem.slug)
            return ClipMetadata(
                template.title,
                template.description,
                template.hashtags,
                TEMPLATE,
                {"why": problem.slug},
            )
        return _from_model(answer, template, topic)

    async def ordered(
        self, tenant: str, holder: str, highlights: Sequence[Highlight]
    ) -> tuple[Highlight, ...]:
        """In the text model's order. Never fails: without an answer, in their own order."""
        if self._writer is None:
            return tuple(highlights)
        try:
            return await rerank(highlights, partial(self._writer.ask, tenant, holder))
        except Problem as problem:
            log.info("clips keep the order of their scores: %s", problem.slug)
            return tuple(highlights)


def _from_model(answer: Mapping[str, Any], template: ClipMetadata, topic: str) -> ClipMetadata:
    text = str(answer["variants"][0]["text"])
    tags = tuple(f"#{tag}" for tag in extract_hashtags(text))[:MAX_TAGS] or template.hashtags
    body = re.sub(r"(?:(?<!\s)\s+)?#\w+", "", text).strip()
    return ClipMetadata(template.title, body, tags, str(answer["model"]), {"topic": topic})


def keywords_of(text: str) -> list[str]:
    """At most MAX_KEYWORDS words, the most telling first, names as they are written."""
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for match in _KEYWORD.finditer(text):
        word = match[0]
        if not SHORTEST <= len(word) <= LONGEST or _SPACELESS.search(word):
            continue
        key = word.lower().replace("\u2019", "'")
        if key in COMMON:
            continue
        counts[key] += 1
        if _is_name(word, text[max(0, match.start() - 3) : match.start()].rstrip()):
            names.setdefault(key, word)
    telling = [word for word in counts if counts[word] > 1 or word in names]
    telling.sort(key=lambda word: (-counts[word], word not in names))
    if not telling:
        telling = sorted(counts, key=lambda word: -len(word))[:2]
    return [_MARKS.sub("", names.get(word, word)) for word in telling[:MAX_KEYWORDS]]


def _is_name(word: str, before: str) -> bool:
    """Whether it has a capital where no sentence begins; texts all in capitals have no names."""
    within = bool(before) and (before[-1].isalnum() or before[-1] == ",")
    return within and word[0].isupper() and not word.isupper()
