"""Clean-up: a model's output in, a text that can be posted out.

Order matters: wrappers (fences, quotes, markdown, control tokens) go first, then emoji, then
hashtags, then the cut to the platform's limit, since each step can uncover matches of the next
one. Independent of the model that wrote the text.
"""

from bisect import bisect_left
from dataclasses import dataclass

import regex

from deployments.content.brief import Brief
from deployments.content.platforms import platform
from deployments.text.graphemes import clusters, truncate, without_emoji

_TAG = regex.compile(r"(?<![\w\p{M}#&/])#([\w\p{M}]*\p{L}[\w\p{M}]*)")
_WHOLE_TAG, _LETTER = regex.compile(r"#[\w\p{M}]++"), regex.compile(r"\p{L}")
_TOKEN = regex.compile(r"\S++")
_OPENING = regex.compile(r"(\*\*|__)(?=\S)")
_CLOSING = {mark: regex.compile(rf"(?<=\S){regex.escape(mark)}") for mark in ("**", "__")}
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "'": "'"}
_PREAMBLE = regex.compile(
    r"^(?:sure|certainly|of course|here(?:'s| is| are))\b[^\n]{0,120}:[ \t]*\n+", regex.I
)
_LABEL = regex.compile(
    r"^(?:\*\*)?(?:caption|post|description|text)(?:\*\*)?\s*:(?:\*\*)?\s*", regex.I
)
_WORD = regex.compile(r"[\p{L}\p{N}]+")
_INLINE_PLATFORMS = frozenset({"x", "threads", "tiktok"})


@dataclass(frozen=True, slots=True)
class CleanedText:
    """A text ready to post: `text` is `body` and the closing hashtags; `hashtags` (without "#")
    also lists those inside `body`.
    """

    text: str
    body: str
    hashtags: tuple[str, ...]
    truncated: bool


def clean(brief: Brief, raw: str) -> CleanedText:
    """Turn model output into a text within the brief and the platform's limits."""
    site = platform(brief.platform)
    text = _unwrap(raw)
    if not brief.emoji:
        text = without_emoji(text)
    count = min(brief.hashtags, site.max_hashtags)
    body, inside, closing = _split_tags(text.strip(), count)
    closing += _topic_tags(brief, [*inside, *closing], count - len(inside) - len(closing))
    gap = " " if brief.platform in _INLINE_PLATFORMS or not body else "\n\n"
    while closing and len(_format_closing(gap, closing)) > site.max_chars // 2:
        closing.pop()
    tail = _format_closing(gap, closing)
    short = truncate(body, site.max_chars - len(tail)).rstrip()
    full = (short + tail).strip()
    return CleanedText(full, short, (*extract_hashtags(short), *closing), short != body)


def split_finished(text: str) -> CleanedText:
    """The parts of a text as it is: nothing is cleaned up."""
    whole = text.strip()
    body, closing = _split_closing_tags(whole)
    return CleanedText(whole, body, (*extract_hashtags(body), *_known_tags(closing)), False)


def extract_hashtags(text: str) -> list[str]:
    """Return the hashtags of `text` in order, without "#"."""
    return [match.group(1) for match in _TAG.finditer(text)]


def _known_tags(closing: list[str]) -> list[str]:
    return [tag for tag in closing if extract_hashtags(f"#{tag}") == [tag]]


def _format_closing(gap: str, tags: list[str]) -> str:
    return gap + " ".join(f"#{tag}" for tag in tags) if tags else ""


def _unwrap(raw: str) -> str:
    text = regex.sub(r"<\|[^|<>\n]{0,40}\|>", "", raw).replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(char for char in text if char in "\n\t" or _is_text(char))
    text = regex.sub(r"^```\w*\s*\n?|\n?```\s*$", "", text.strip()).strip()
    text = _LABEL.sub("", _PREAMBLE.sub("", text))
    text = _remove_emphasis(text)
    text = regex.sub(r"(?m)^#{1,6}[ \t]+", "", text)
    text = _unquote(text.strip())
    return str(regex.sub(r"\n{3,}", "\n\n", text)).strip()


def _is_text(char: str) -> bool:
    """Neither a control character nor the replacement of an incomplete character."""
    return ord(char) >= 32 and not 127 <= ord(char) < 160 and char != "\N{REPLACEMENT CHARACTER}"


def _unquote(text: str) -> str:
    close = _QUOTES.get(text[:1])
    if close and len(text) > 1 and text.endswith(close) and close not in text[1:-1]:
        return text[1:-1].strip()
    return text


def _split_tags(text: str, count: int) -> tuple[str, list[str], list[str]]:
    """Split off the closing hashtags; keep the first `count` different ones, those inside the body
    counted first.
    """
    text, closing = _split_closing_tags(text)
    inside: list[str] = []
    text = _TAG.sub(lambda match: _filter_tag(match.group(1), inside, count), text.rstrip())
    known = {tag.casefold() for tag in inside}
    different = list(
        {tag.casefold(): tag for tag in reversed(closing) if tag.casefold() not in known}.values()
    )[::-1]
    return text, inside, different[: max(0, count - len(inside))]


def _split_closing_tags(text: str) -> tuple[str, list[str]]:
    """`text` without the hashtags that it ends with, and these (without "#") in order."""
    closing: list[str] = []
    end = len(text)
    for token in reversed(list(_TOKEN.finditer(text))):
        if not (_WHOLE_TAG.fullmatch(token[0]) and _LETTER.search(token[0])):
            end = token.end() if closing else end
            break
        closing.append(token[0][1:])
        end = 0
    return text[:end], closing[::-1]


def _remove_emphasis(text: str) -> str:
    """`text` without Markdown's `**` and `__` around words of a line."""
    return "\n".join(map(_remove_line_emphasis, text.split("\n")))


def _remove_line_emphasis(line: str) -> str:
    """A line without Markdown's `**` and `__` around words.

    Each opening mark is paired with the next closing one of its kind, found by bisection: patterns
    that search from every opening mark take quadratic time.
    """
    if "**" not in line and "__" not in line:
        return line
    ends = {
        mark: [match.start() for match in closing.finditer(line, overlapped=True)]
        for mark, closing in _CLOSING.items()
    }
    output, position = [], 0
    for opening in _OPENING.finditer(line, overlapped=True):
        start, closings = opening.start(), ends[opening[1]]
        index = bisect_left(closings, start + 3)  # the mark, and one character at least
        if start >= position and index < len(closings):
            output += [line[position:start], line[start + 2 : closings[index]]]
            position = closings[index] + 2
    return "".join([*output, line[position:]])


def _filter_tag(tag: str, inside: list[str], count: int) -> str:
    if len(inside) >= count or tag.casefold() in {other.casefold() for other in inside}:
        return tag
    inside.append(tag)
    return f"#{tag}"


def _topic_tags(brief: Brief, existing: list[str], missing: int) -> list[str]:
    """Up to `missing` hashtags of the brief's own words, where the model wrote too few."""
    phrases = [
        brief.topic,
        *brief.keywords,
        *(word for word in _WORD.findall(brief.topic) if len(word) > 3),
    ]
    known = {tag.casefold() for tag in existing}
    tags: list[str] = []
    for phrase in phrases:
        tag = "".join(word[:1].upper() + word[1:] for word in _WORD.findall(phrase))
        plain = (
            regex.search(r"\p{L}", tag)
            and extract_hashtags(f"#{tag}") == [tag]
            and len(clusters(tag)) <= 30
        )
        if len(tags) < missing and plain and tag.casefold() not in known:
            known.add(tag.casefold())
            tags.append(tag)
    return tags
