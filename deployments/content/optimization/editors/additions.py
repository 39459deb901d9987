"""Edits that add what is missing: keywords, a call to action, an emoji, hashtags; or take hashtags
away where there are too many.

In: a draft. Out: proposals. Sentences are added to English texts only.
"""

from collections.abc import Iterator

import regex

from deployments.content.cleanup import extract_hashtags
from deployments.content.optimization.draft import DraftText, TextEdit
from deployments.content.optimization.editors.subjects import emoji_for, subject_words
from deployments.content.text_counts import CALL, words
from deployments.text.graphemes import emoji_in

_INLINE = frozenset({"x", "threads", "tiktok"})  # hashtags follow in the same line
_CALLS = {
    "instagram": ("Save this for later and tell us what you think!",),
    "tiktok": ("Follow us and tell us what you think!",),
    "linkedin": ("What do you think? Tell us in the comments.",),
    "x": ("What do you think? Tell us!",),
    "threads": ("What do you think? Tell us!",),
    "facebook": ("What do you think? Tell us in the comments!",),
    "pinterest": ("Save this for later!",),
    "youtube": ("Subscribe, and tell us what you think!",),
}
_WARM_CALL = "We would love to hear from you: tell us what you think!"
_WARM_CLOSING = "Thank you for being with us!"
# Sentences that these rules write: no rule moves them.
ADDED = frozenset(
    sentence
    for call in (*(call for calls in _CALLS.values() for call in calls), _WARM_CALL, _WARM_CLOSING)
    for sentence in (call, *regex.split(r"(?<=[.!?]) ", call))
)
_ABOUT = "It is all about"
_MOST_ADDED = 0.15  # share of a text that such sentences may be
_MOST_TAGS = 0.25  # share of a text that hashtags may be, with those that are added
_WORD = regex.compile(r"[\p{L}\p{N}]+")


def place_keywords(draft: DraftText) -> Iterator[TextEdit]:
    """A keyword that is missing opens the text, as a label; several are named at the end."""
    missing = [
        word
        for word in draft.task.keywords
        if _WORD.search(word) and not draft.has_phrase(word) and not draft.has_hashtag(word)
    ]
    if not missing or not draft.sentences:
        return
    start, _ = draft.sentences[0]
    label = f"{missing[0][0].upper()}{missing[0][1:]}: "
    is_short = len(label) <= _MOST_TAGS * len(draft.finished.body)
    if is_short and ": " not in draft.text[start : start + 60]:
        reason = f"The keyword '{missing[0]}' was missing."
        yield TextEdit(start, start, label, "add keyword", reason)
    if draft.is_english:
        names = ", ".join(missing[:-1]) + (" and " if missing[1:] else "") + missing[-1]
        reason = f"Missing until now: {names}."
        yield from _closing(draft, f"{_ABOUT} {names}.", "add keyword", reason)


def add_call(draft: DraftText) -> Iterator[TextEdit]:
    """Says what to do next, where nothing does."""
    if not draft.is_english or CALL.search(draft.finished.body) or not draft.words:
        return
    for sentence in (*_CALLS.get(draft.site.name, ()), _WARM_CALL):
        yield from _closing(draft, sentence, "add call to action", "There was no call to action.")


def add_warm_closing(draft: DraftText) -> Iterator[TextEdit]:
    """Thanks the readers, where a text is cool."""
    if draft.is_english and draft.words and "thank" not in draft.words:
        reason = "A text that thanks its readers sounds warmer."
        yield from _closing(draft, _WARM_CLOSING, "add warm closing", reason)


def add_emoji(draft: DraftText) -> Iterator[TextEdit]:
    """One, of the text's subject, after the first sentence, where the platform is used to some."""
    if not draft.site.usual_emoji or not draft.sentences or emoji_in(draft.text):
        return
    _, end = draft.sentences[0]
    emoji = emoji_for(draft.words)
    reason = f"{draft.site.label} texts usually have emoji, this had none."
    yield TextEdit(end, end, f" {emoji}", "add emoji", reason)


def add_hashtags(draft: DraftText) -> Iterator[TextEdit]:
    """Of keywords and of the text's own words, up to the platform's usual number."""
    site, existing = draft.site, draft.finished.hashtags
    wanted = min(site.usual_hashtags, site.max_hashtags) - len(existing)
    if wanted < 1 or not draft.words:
        return
    known = {tag.casefold() for tag in existing}
    parts = {part for tag in draft.task.keywords for part in words(tag)}
    subjects = [word for word in subject_words(draft.words) if word not in parts]
    tags: list[str] = []
    room = _MOST_TAGS * len(draft.text) / (1 - _MOST_TAGS)
    room -= sum(len(tag) + 2 for tag in existing) / (1 - _MOST_TAGS)
    for phrase in (*draft.task.keywords, *subjects):
        tag = "".join(word[:1].upper() + word[1:] for word in _WORD.findall(phrase))
        is_tag = extract_hashtags(f"#{tag}") == [tag] and len(tag) <= 30
        is_new = is_tag and tag.casefold() not in known
        if is_new and len(tags) < wanted and len(tag) + 2 <= room:
            room -= len(tag) + 2
            known.add(tag.casefold())
            tags.append(tag)
    if tags:
        end = len(draft.text.rstrip())
        gap = " " if existing or site.name in _INLINE else "\n\n"
        text = gap + " ".join(f"#{tag}" for tag in tags)
        reason = f"{site.label} texts usually have {site.usual_hashtags}, this had {len(existing)}."
        yield TextEdit(end, len(draft.text), text, "add hashtags", reason)


def drop_hashtags(draft: DraftText) -> Iterator[TextEdit]:
    """The last of the closing hashtags, down to the platform's usual number."""
    tail = draft.text[draft.body_end :]
    closing = list(regex.finditer(r"#\S+", tail))
    surplus = len(draft.finished.hashtags) - draft.site.usual_hashtags
    surplus = min(surplus, len(closing))
    if surplus < 1:
        return
    start = draft.body_end + closing[-surplus].start()
    start -= len(draft.text[:start]) - len(draft.text[:start].rstrip())
    reason = f"{draft.site.label} texts usually have {draft.site.usual_hashtags} hashtags."
    yield TextEdit(start, len(draft.text), "", "drop hashtags", reason)


def _closing(draft: DraftText, sentence: str, rule: str, reason: str) -> Iterator[TextEdit]:
    """A sentence at the end of the body, in a paragraph of its own if the body has paragraphs. Not
    where more than _MOST_ADDED of the text would be such sentences."""
    end = draft.body_end
    body = draft.text[:end]
    parts = (body[start:stop] for start, stop in draft.sentences)
    added = sum(len(part) for part in parts if part in ADDED or part.startswith(_ABOUT))
    if added + len(sentence) > _MOST_ADDED * (len(body) + len(sentence)):
        return
    gap = "" if not body.strip() else "\n\n" if "\n" in body.strip() else " "
    if body.strip() and body.rstrip()[-1].isalnum():
        gap = f".{gap}"
    yield TextEdit(end, end, gap + sentence, rule, reason)
