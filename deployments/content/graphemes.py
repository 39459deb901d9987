"""Graphemes: where a text may be cut, and which of its visible characters are emoji (Unicode UAX
#29 and UTS #51).
"""

import regex

_CLUSTER = regex.compile(r"\X")
_EMOJI = regex.compile(
    r"\p{Emoji_Presentation}|\p{Regional_Indicator}|\p{Extended_Pictographic}\uFE0F|[0-9#*]\uFE0F?\u20E3|[\U0001F3FB-\U0001F3FF]"
)
# Runs are matched from their first character on and never given back: what does not end a sentence
# as a whole does not do so from its middle, and to try would take quadratic time.
_SENTENCE_END = regex.compile(r"(?<![.!?…。！？])[.!?…。！？]++[\"'”’)\]]*+(?=\s|$)|\n")
_GAP_BEFORE_END = regex.compile(r"(?<![ \t])[ \t]++(?=[.,!?;:\n]|$)")
_FLAGS = regex.compile(r"\p{Regional_Indicator}{8,}")
_GAP = regex.compile(r"\s+")


def clusters(text: str) -> list[str]:
    """Return the extended grapheme clusters of `text`."""
    found: list[str] = []
    at = 0
    for run in _FLAGS.finditer(text):  # in each of them `\X` would look back to the run's begin
        last = run.start() + 2 * ((run.end() - run.start()) // 2) - 2
        found += _CLUSTER.findall(text, at, run.start() + 2)
        found += [text[pair : pair + 2] for pair in range(run.start() + 2, last, 2)]
        at = last
    found += _CLUSTER.findall(text, at)
    return found


def emoji_in(text: str) -> list[str]:
    """Return the emoji of `text`, each a whole cluster (a family, a flag or a keycap is one)."""
    return [cluster for cluster in clusters(text) if _EMOJI.search(cluster)]


def without_emoji(text: str) -> str:
    """Return `text` without emoji, and without the gaps they leave."""
    kept = "".join(cluster for cluster in clusters(text) if not _EMOJI.search(cluster))
    kept = _GAP_BEFORE_END.sub("", kept)
    return str(regex.sub(r"[ \t]{2,}", " ", kept))


def cut(text: str, limit: int) -> str:
    """Return the longest good beginning of `text` within `limit` code points.

    It ends at a sentence end if that keeps at least a third of the room, else between words, and
    only in a text without gaps between graphemes; a hashtag is kept whole or left out.
    """
    if len(text) <= limit:
        return text
    whole = _boundaries(text, limit)
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() in whole]
    if ends and ends[-1] * 3 >= limit:
        return text[: ends[-1]].rstrip()
    gaps = [match.start() for match in _GAP.finditer(text) if match.start() in whole]
    if gaps and gaps[-1]:
        return text[: gaps[-1]].rstrip()
    size = max(whole)
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
