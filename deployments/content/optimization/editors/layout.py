"""Edits of the layout: spaces, punctuation, paragraphs.

In: a draft. Out: proposals. They change no word.
"""

from collections.abc import Iterator

import regex

from deployments.content.features import ONE_BLOCK
from deployments.content.optimization.draft import DraftText, TextEdit

_MANY_MARKS = regex.compile(r"(?:!|\?){3,}")
_SPACES = regex.compile(r"(?<=\S)[ \t]{2,}|[ \t]+(?=[,;!?]|\.(?!\d))")
_LINES = regex.compile(r"\n{3,}")
_PARAGRAPH = 2  # sentences


def tidy_up(draft: DraftText) -> Iterator[TextEdit]:
    """One mark or space where there are many, in the whole text."""
    text = _MANY_MARKS.sub(lambda match: "?" if "?" in match.group() else "!", draft.text)
    text = _LINES.sub("\n\n", _SPACES.sub(_one_space, text))
    if text != draft.text:
        reason = "One mark, space or empty line is enough."
        yield TextEdit(0, len(draft.text), text, "tidy up", reason).trimmed(draft.text)


def _one_space(match: "regex.Match[str]") -> str:
    following = match.string[match.end() : match.end() + 1]
    return "" if following and following in ",;!?." else " "


def break_lines(draft: DraftText) -> Iterator[TextEdit]:
    """Paragraphs of two sentences, where a long text is one block."""
    body = draft.text[: draft.body_end]
    if "\n" in body or len(body) <= ONE_BLOCK or len(draft.sentences) < 2:
        return
    starts = [start for start, _ in draft.sentences[1:]]
    breaks = [start for at, start in enumerate(starts) if (at + 1) % _PARAGRAPH == 0] or starts
    first, last = draft.sentences[0][0], draft.sentences[-1][1]
    pieces, position = [], first
    for place in breaks:
        pieces += [draft.text[position:place].rstrip(), "\n\n"]
        position = place
    text = "".join([*pieces, draft.text[position:last]])
    reason = f"{len(body)} characters in one block are hard to scan: paragraphs are not."
    yield TextEdit(first, last, text, "break lines", reason)
