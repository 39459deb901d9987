"""A plain way to optimise drafts, to compare with: every rule applied, nothing judged.

In: a draft. Out: the draft with what posts are said to need: hashtags of the keywords, a call to
action, an emoji, sentences cut at their first comma.
"""

import regex

from deployments.content.platforms import platform
from load_tests.benchmarks.content.drafts import PlantedDraft

_LONG = 25  # words
_CALL = "Tell us what you think in the comments!"


def optimize_plainly(draft: PlantedDraft) -> str:
    sentences = regex.split(r"(?<=[.!?])\s+", draft.text)
    body = " ".join(_cut(sentence) for sentence in sentences)
    site = platform(draft.platform)
    tags = ["".join(map(str.title, keyword.split())) for keyword in draft.keywords]
    emoji = " ✨" if site.usual_emoji else ""
    closing = " ".join(f"#{tag}" for tag in tags[: site.usual_hashtags])
    return f"{body}{emoji} {_CALL}\n\n{closing}"


def _cut(sentence: str) -> str:
    head, comma, rest = sentence.partition(", ")
    if len(sentence.split()) <= _LONG or not comma:
        return sentence
    return f"{head}. {rest[0].upper()}{rest[1:]}"
