"""Scoring and ranking: a brief and a finished text in, transparent sub-scores out; variants in,
best first and without near-duplicates out. Deterministic, no model, no state.

Each aspect gives a value between 0 and 1 and a sentence that says why. The total is their weighted
mean; weights depend on the platform. It ranks variants of one brief and says nothing about how a
text will perform.
"""

from collections.abc import Callable, Iterable

from deployments.content.brief import Brief
from deployments.content.cleanup import CleanedText
from deployments.content.platforms import platform
from deployments.content.results import Subscore, Variant
from deployments.content.text_counts import TextCounts, count_text, words

_STOP = frozenset(
    ("a", "an", "and", "are", "at", "by", "for", "from", "in", "is", "it", "my", "of", "on", "or")
    + ("our", "that", "the", "this", "these", "to", "with", "your")
)
_LENGTHS = {
    "caption": {"short": (20, 160), "medium": (90, 360), "long": (180, 900)},
    "post": {"short": (120, 500), "medium": (250, 1_000), "long": (450, 2_000)},
}

EVEN = {
    "topic": 4,
    "length": 2,
    "readability": 2,
    "hashtags": 1,
    "call to action": 1,
    "emoji": 1,
    "hook": 2,
    "platform": 2,
}
WEIGHTS: dict[str, dict[str, int]] = {
    "instagram": {**EVEN, "hashtags": 2, "emoji": 2, "hook": 3},
    "tiktok": {**EVEN, "hashtags": 2, "hook": 4},
    "linkedin": {**EVEN, "readability": 3, "emoji": 0, "call to action": 2},
    "x": {**EVEN, "length": 3, "hook": 3},
    "pinterest": {**EVEN, "topic": 5, "hashtags": 2, "hook": 1},
    "youtube": {**EVEN, "topic": 5, "length": 3},
}

NEAR_DUPLICATE = 0.8
Aspect = tuple[float, str]  # a value, and the reason


def score(brief: Brief, finished: CleanedText) -> tuple[float, tuple[Subscore, ...]]:
    """Return the total (0..1, four digits) and the sub-scores in a fixed order."""
    weights = WEIGHTS.get(brief.platform, EVEN)
    total_weight = sum(weights.values())
    parts, counts = [], count_text(finished)
    for name, assess in _ASPECTS.items():
        value, reason = assess(brief, finished, counts)
        parts.append(
            Subscore(
                name,
                round(min(1.0, max(0.0, value)), 4),
                round(weights[name] / total_weight, 4),
                reason,
            )
        )
    total = sum(part.value * weights[part.name] for part in parts) / total_weight
    return round(total, 4), tuple(parts)


def _topic(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    source = " ".join([brief.topic or brief.draft or "", *brief.keywords])
    required = list(dict.fromkeys(word for word in words(source) if word not in _STOP))
    present = set(words(finished.text))
    missing = [word for word in required if word not in present]
    if not missing:
        return 1.0, "Every word of the topic and the keywords is there."
    return 1 - len(missing) / len(required), f"Missing: {', '.join(missing[:5])}."


def _length(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    low, high = _LENGTHS[brief.kind][brief.length]
    high = min(high, platform(brief.platform).max_chars)
    size = len(finished.body)
    if low <= size <= high:
        return 1.0, f"{size} characters, within {low} to {high} for {brief.length}."
    value = size / low if size < low else high / size
    return value, f"{size} characters; {brief.length} is {low} to {high}."


def _readability(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    """80 and more of Flesch's reading ease is full marks, 10 is none."""
    if not counts.words:
        return 0.0, "There are no words."
    ease = counts.reading_ease
    return (
        ease - 10
    ) / 70, f"Reading ease {ease:.0f}, {counts.words / counts.sentences:.0f} words a sentence."


def _hashtags(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    count, wanted = len(finished.hashtags), brief.hashtags
    return 1 - abs(count - wanted) / max(1, wanted, count), f"{count} of {wanted} hashtags."


def _call(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    if brief.call_to_action:
        return (
            (1.0, f"Calls to action: '{counts.call}'.")
            if counts.call
            else (0.0, "There is no call to action.")
        )
    return (
        (0.8, "A call to action, which was not requested.")
        if counts.call
        else (1.0, "No call to action, as requested.")
    )


def _emoji(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    count = counts.emoji
    if not brief.emoji:
        return (0.0 if count else 1.0), f"{count} emoji, none requested."
    if not count:
        return 0.0, "Emoji were requested, and there are none."
    most = max(3, counts.words // 8)
    return min(1.0, most / count), f"{count} emoji, up to {most} read well."


def _hook(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    count, elements = counts.hook_words, counts.hook_elements
    value = 0.7 if count <= 12 else max(0.2, 0.7 - (count - 12) * 0.05)
    return value + 0.3 * bool(elements), f"Opens with {count} words" + (
        f" and {', '.join(elements)}." if elements else "."
    )


def _platform(brief: Brief, finished: CleanedText, counts: TextCounts) -> Aspect:
    site = platform(brief.platform)
    low, high = site.ideal_chars
    size, value, notes = len(finished.text), 1.0, []
    if not low <= size <= high:
        value -= 0.3
        notes.append(f"{site.label} texts usually have {low} to {high} characters, this has {size}")
    if "http" in finished.text and not site.links_clickable:
        value -= 0.4
        notes.append(f"links in {site.label} {site.noun}s cannot be tapped")
    if len(finished.hashtags) > max(brief.hashtags, 2 * site.usual_hashtags):
        value -= 0.2
        notes.append(f"{len(finished.hashtags)} hashtags are many for {site.label}")
    if brief.kind == "post" and "\n" not in finished.body and len(finished.body) > 300:
        value -= 0.3
        notes.append("one block of text, no paragraphs")
    return value, ("; ".join(notes) or f"Fits {site.label}") + "."


_ASPECTS: dict[str, Callable[[Brief, CleanedText, TextCounts], Aspect]] = {
    "topic": _topic, "length": _length, "readability": _readability, "hashtags": _hashtags,
    "call to action": _call, "emoji": _emoji, "hook": _hook, "platform": _platform,
}  # fmt: skip


def rank(variants: Iterable[Variant]) -> tuple[tuple[Variant, ...], tuple[int, ...]]:
    """Return the variants by falling score (ties by index), and the indexes of those too similar to
    a better one.
    """
    ranked: list[Variant] = []
    duplicates: list[int] = []
    for variant in sorted(variants, key=lambda v: (-v.score, v.index)):
        if any(similarity(variant.body, other.body) >= NEAR_DUPLICATE for other in ranked):
            duplicates.append(variant.index)
        else:
            ranked.append(variant)
    return tuple(ranked), tuple(sorted(duplicates))


def similarity(first: str, second: str) -> float:
    """Return the Jaccard index (0..1) of the word pairs of two texts; equal texts give 1."""
    left, right = _word_pairs(first), _word_pairs(second)
    return len(left & right) / len(left | right) if left | right else 1.0


def _word_pairs(text: str) -> set[tuple[str, ...]]:
    sequence = words(text)
    return set(zip(sequence, sequence[1:], strict=False)) or {tuple(sequence)}
