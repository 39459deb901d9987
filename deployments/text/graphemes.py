"""Graphemes: where a text may be cut, and its emoji (Unicode UAX #29 and UTS #51)."""

import regex

# \X alone counts back through all regional indicators before each one. Taken in pairs, as flags
# are, a run of them is read once.
_CLUSTER = regex.compile(
    r"\p{Regional_Indicator}{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X"
)
_EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Regional_Indicator}|\p{Extended_Pictographic}\uFE0F|[0-9#*]\uFE0F?\u20E3|[\U0001F3FB-\U0001F3FF]"
)
# A cluster that is not all of ASCII begins with one character of ASCII at most.
_NOT_ASCII = regex.compile(r"[\x00-\x7F]?[^\x00-\x7F]++")
_SENTENCE_END = regex.compile(r"(?<![.!?…。！？])[.!?…。！？]++[\"'”’)\]]*+(?=\s|$)|\n")
_GAP = regex.compile(r"\s+")


def clusters(text: str) -> list[str]:
    """Return the extended grapheme clusters of `text`."""
    graphemes: list[str] = _CLUSTER.findall(text)
    return graphemes


def emoji_in(text: str) -> list[str]:
    """Return the emoji of `text`, each a whole cluster (a family, a flag or a keycap is one)."""
    if text.isascii():
        return []
    parts = _NOT_ASCII.findall(text)
    return [cluster for part in parts for cluster in clusters(part) if _EMOJI.search(cluster)]


def without_emoji(text: str) -> str:
    """Return `text` without emoji, and without the gaps they leave."""
    output = "".join(cluster for cluster in clusters(text) if not _EMOJI.search(cluster))
    output = regex.sub(r"(?<![ \t])[ \t]++(?=[.,!?;:\n]|$)", "", output)
    return str(regex.sub(r"[ \t]{2,}", " ", output))


def truncate(text: str, limit: int) -> str:
    """Return the longest suitable prefix of `text` within `limit` code points.

    It ends at a sentence end if that keeps at least a third of the room, else between words, and
    only in a text without gaps between graphemes; a hashtag is never cut.
    """
    if len(text) <= limit:
        return text
    text = text[: limit + 1]  # one more shows whether a grapheme continues after the limit
    boundaries = _boundaries(text, limit)
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() in boundaries]
    if ends and ends[-1] * 3 >= limit:
        return text[: ends[-1]].rstrip()
    gaps = [match.start() for match in _GAP.finditer(text) if match.start() in boundaries]
    if gaps and gaps[-1]:
        return text[: gaps[-1]].rstrip()
    size = max(boundaries)
    tag = text.rfind("#", 0, size)
    return text[:tag] if tag >= 0 else text[:size]


def _boundaries(text: str, limit: int) -> set[int]:
    ends, size = {0}, 0
    for cluster in clusters(text):
        size += len(cluster)
        if size > limit:
            break
        ends.add(size)
    return ends
