"""Prompts: a `Brief` in, chat messages out. Pure and versioned; caches key on `PROMPT_VERSION`.

The wording reads naturally to any instruction-tuned model and is also what the shipped nano model
is trained on. User data stays on one line and cannot spell a chat template's control tokens.
"""

import re
from typing import TypedDict

from deployments.content.brief import Brief
from deployments.content.platforms import platform
from deployments.content.styles import style, tone
from deployments.contracts.generation import Role

PROMPT_VERSION = "2026-11-1"
SYSTEM = "You write social media captions and posts. Reply with the finished text only."


class ChatMessage(TypedDict):
    """One message of a chat, as chat templates take it."""

    role: Role
    content: str


def single_line(text: str) -> str:
    """Return `text` on one line: control characters and runs of white space become one space.

    `<|` loses its bars, so that no text can spell a control token such as `<|end|>`.
    """
    visible = "".join(" " if ord(char) < 32 or ord(char) == 127 else char for char in text)
    line = re.sub(r"(?<!\|)\|+>", ">", re.sub(r"<\|+", "<", visible))
    return re.sub(r"\s+", " ", line).strip()


def messages(brief: Brief) -> list[ChatMessage]:
    """Return the chat for one caption; for a post of several paragraphs or a rewritten draft, if
    that is the brief's kind.
    """
    lines = [
        _task(brief, brief.kind),
        *_subject(brief),
        _manner(brief),
        _extras(brief),
        *_bounds(brief),
        *_sources(brief),
    ]
    if brief.pictures and (brief.topic.strip() or brief.draft is not None):
        lines.insert(1, f"Keep to what {_pictured(brief)}.")
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "\n".join(line for line in lines if line)},
    ]


def _task(brief: Brief, noun: str) -> str:
    what = f"{style(brief.style).phrase} {platform(brief.platform).label} {noun}"
    if brief.draft is not None:
        return f"Rewrite this draft as {what}: {single_line(brief.draft)}"
    if brief.pictures and not brief.topic.strip():
        return f"Write {what} about what {_pictured(brief)}."
    return f"Write {what} about: {single_line(brief.topic)}"


def _pictured(brief: Brief) -> str:
    return "this picture shows" if brief.pictures == 1 else f"these {brief.pictures} pictures show"


def _subject(brief: Brief) -> list[str]:
    if brief.draft is not None and brief.topic.strip():
        return [f"Topic: {single_line(brief.topic)}"]
    return []


def _manner(brief: Brief) -> str:
    parts = [f"Tone: {tone(brief.tone).phrase}.", f"Length: {brief.length}."]
    if brief.audience:
        parts.append(f"Audience: {single_line(brief.audience)}.")
    if brief.keywords:
        parts.append(f"Keywords: {', '.join(single_line(word) for word in brief.keywords)}.")
    return " ".join(parts)


def _extras(brief: Brief) -> str:
    required, excluded = [], []
    if brief.hashtags:
        required.append(f"{brief.hashtags} hashtag" + ("s" if brief.hashtags > 1 else ""))
    else:
        excluded.append("hashtags")
    (required if brief.emoji else excluded).append("emoji")
    if brief.call_to_action:
        required.append("a call to action")
    include = f"Include {_series(required, 'and')}." if required else ""
    leave = f"Do not use {_series(excluded, 'or')}." if excluded else ""
    return f"{include} {leave}".strip()


def _series(items: list[str], last: str) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def _sources(brief: Brief) -> list[str]:
    if not brief.sources:
        return []
    quoted = [f"- {single_line(source)}" for source in brief.sources]
    return ["Take names, numbers and facts from these passages alone:", *quoted]


def _bounds(brief: Brief) -> list[str]:
    lines = []
    if platform(brief.platform).max_chars <= 500:
        lines.append(f"Stay under {platform(brief.platform).max_chars} characters.")
    if brief.language.lower() not in ("english", "en"):
        lines.append(f"Write in {single_line(brief.language)}.")
    return lines
