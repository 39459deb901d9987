"""Languages of short posts: own posts in 24 languages, each with what posts have beside words.

In: nothing. Out: accuracy, and times of one call. Ten sentences a language, written for this
purpose, in three forms each: as they are, with emoji and hashtags, with a link, a handle and an
English name. 720 posts of this kind rank detectors; they are not a sample of any network.
"""

import json
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from deployments.text.language import find_language
from load_tests.benchmarks.common.measurement import Measurement

_DATA = Path(__file__).parent / "data" / "posts_by_language.json"
_FORMS = (
    "{}",
    "{} 🎉☕️ #mobula #weekend",
    "@anna_k {} Streetwear Pop-up 2026 https://example.com/x",
)
_SAME = {"no": {"no", "nb", "nn"}}


def posts_by_language() -> list[tuple[str, str]]:
    """Language and text."""
    sentences: dict[str, list[str]] = json.loads(_DATA.read_text(encoding="utf-8"))
    return [
        (language, form.format(sentence))
        for language, group in sentences.items()
        for sentence in group
        for form in _FORMS
    ]


def measure_languages() -> list[Measurement]:
    posts = posts_by_language()
    find_language("warm-up")
    took, right = [], 0
    for language, text in posts:
        begun = perf_counter_ns()
        found = find_language(text)
        took.append((perf_counter_ns() - begun) / 1e6)
        right += found is not None and found.code in _SAME.get(language, {language})
    return [
        Measurement("language", "right", round(right / len(posts), 4), at_least=0.98),
        Measurement("language", "posts", len(posts)),
        Measurement("language", "p99", round(float(np.percentile(took, 99)), 3), "ms", at_most=1.0),
    ]
