"""Rewriting by a model: one goal a request, and what of its answer can be used.

In: a task and a goal. Out: chat messages; from what the model wrote, a text or the reason why it is
not taken.
"""

from dataclasses import dataclass

from deployments.content.brief import Brief
from deployments.content.cleanup import clean, split_finished
from deployments.content.optimization.kept_items import KeptItems
from deployments.content.optimization.task import ModelRewrite, OptimizationTask
from deployments.content.platforms import platform
from deployments.content.prompts import ChatMessage, messages, single_line
from deployments.text.graphemes import emoji_in
from deployments.text.language import find_language

REWRITE_VERSION = "2026-12-1"  # of the wording below; caches key on it
_GOALS = {
    "sentiment": "Make it sound warmer and more positive.",
    "readability": "Make it easier to read: short sentences, plain words.",
    "keywords": "Work the keywords in.",
    "structure": "Begin with the strongest sentence, and use short paragraphs.",
    "engagement": "Open with a question to the reader, and end with a call to action.",
}
_CERTAIN = 0.5  # probability from which a found language counts
_LEAST_SHARE, _MOST_SHARE = 0.4, 2.5  # of the draft's length
_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class CleanedRewrite:
    """`text` is empty where the rewrite is not taken, for the `reason`."""

    goal: str
    text: str
    reason: str = ""


def rewrite_brief(task: OptimizationTask) -> Brief:
    """The draft as a brief: its own hashtags, or the platform's number of them."""
    site = platform(task.platform)
    existing = len(split_finished(task.text).hashtags)
    return Brief(
        topic="",
        platform=task.platform,
        kind="post",
        length="short" if len(task.text) < 500 else "medium",
        draft=task.text,
        keywords=task.keywords,
        hashtags=min(site.max_hashtags, max(existing, site.usual_hashtags)),
        emoji=site.usual_emoji or bool(emoji_in(task.text)),
        call_to_action="engagement" in task.goals,
    )


def rewrite_messages(task: OptimizationTask, goal: str) -> list[ChatMessage]:
    """The chat that asks for one rewrite towards `goal`."""
    turns = messages(rewrite_brief(task))
    lines = [turns[-1]["content"], _GOALS[goal]]
    if task.phrases:
        phrases = ", ".join(f'"{single_line(phrase)}"' for phrase in task.phrases)
        lines.append(f"Keep these words as they are: {phrases}.")
    if task.language != _ENGLISH:
        lines.append("Write in the language of the draft.")
    return [*turns[:-1], {"role": "user", "content": "\n".join(lines)}]


def clean_rewrite(task: OptimizationTask, kept: KeptItems, rewrite: ModelRewrite) -> CleanedRewrite:
    """As captions are cleaned up; then nothing that is kept may be missing, nothing made up."""
    text = clean(rewrite_brief(task), rewrite.text).text if rewrite.text.strip() else ""
    share = len(text) / max(1, len(task.text))
    invented = kept.invented(text)
    reason = ""
    if not text:
        reason = "The model wrote nothing."
    elif not kept.are_in(text):
        reason = "Something that has to stay is missing."
    elif invented:
        reason = f"The draft does not have {', '.join(item[:40] for item in invented[:3])}."
    elif not _LEAST_SHARE <= share <= _MOST_SHARE:
        reason = f"It has {share:.1f} times the draft's length."
    elif not _is_same_language(task, text):
        reason = "It is in another language."
    return CleanedRewrite(rewrite.goal, "" if reason else text, reason)


def _is_same_language(task: OptimizationTask, text: str) -> bool:
    found = find_language(text)
    return not task.language or found is None or found.score < _CERTAIN or (
        found.code == task.language
    )  # fmt: skip
